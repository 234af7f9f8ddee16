"""What is edited, what is measured, and the record of one method on one case."""

from __future__ import annotations

from enum import StrEnum
from statistics import fmean

from curation.ids import sha256_json
from curation.records import EditType, ImageRole, ProbeKind, Record, Sha256, Text

# Raised whenever a change of code may change a number; part of every record's key.
EVALUATOR_VERSION = "1"
# How many candidates a position I-Loc compares, as in MMKE-Bench, section 4.
TOP_K = 10


class Protocol(StrEnum):
    """What a number means; a table never mixes two of them.

    clean: the base is the unedited model, labels come from the joint tokenisation of question and
    answer, every method is scored at label positions only.
    """

    CLEAN = "clean"


class Unscored(StrEnum):
    """Why a probe has no score."""

    NO_PICTURE = "no_picture"
    TOO_LONG = "too_long"
    NO_LABELS = "no_labels"
    NOT_FINITE = "not_finite"


class CaseProbe(Record):
    """One question of a case; image is the digest of its picture, None for a text question.

    A probe with an image_role but no image cannot be scored.
    """

    probe_id: str
    kind: ProbeKind
    question: Text
    answer: Text
    image_role: ImageRole | None
    image: Sha256 | None


class EditCase(Record):
    """One edit: make the model answer request, asked about image, with target; then ask the probes."""

    case_id: str
    subject_name: Text
    edit_type: EditType
    category: str
    request: Text
    rephrased_request: Text
    target: Text
    image: Sha256
    probes: tuple[CaseProbe, ...]


class ProbeScore(Record):
    """What the edited model made of one probe; every share lies in 0..1.

    label_ids: token ids of the answer. predicted_ids: the edited model's first choice at each of them.
    generated: its free (greedy) answer. top1_agreement, topk_overlap: against the unedited model, for
    locality probes only. A probe with a reason in unscored has no numbers and counts in no mean.
    """

    probe_id: str
    kind: ProbeKind
    label_ids: tuple[int, ...] = ()
    predicted_ids: tuple[int, ...] = ()
    generated: str = ""
    token_accuracy: float | None = None
    exact_match: float | None = None
    top1_agreement: float | None = None
    topk_overlap: float | None = None
    unscored: Unscored | None = None

    @property
    def value(self) -> float | None:
        """Return the number that the paper's column of this kind holds, None when unscored."""
        if self.kind is ProbeKind.T_LOC:
            return self.top1_agreement
        if self.kind is ProbeKind.I_LOC:
            return self.topk_overlap
        return self.token_accuracy


class EvalRecord(Record):
    """All scores of one method on one case, with everything that the numbers depend on.

    Holds no clock reading, so that a repeated run writes the same bytes.
    """

    key: Sha256
    case: EditCase
    method: str
    hyper_parameters: dict[str, float | int | str]
    protocol: Protocol
    model: str
    model_sha256: Sha256
    release_sha256: Sha256
    evaluator_version: str
    scores: tuple[ProbeScore, ...]

    def metric(self, kind: ProbeKind) -> float | None:
        """Return the mean over the case's scored probes of a kind, None when there is none."""
        return _mean([score.value for score in self.scores if score.kind is kind])

    def exact(self, kind: ProbeKind) -> float | None:
        """Return the share of the case's scored probes of a kind that are answered word for word."""
        return _mean([score.exact_match for score in self.scores if score.kind is kind])


class RunIdentity(Record):
    """What all records of one method in one run have in common."""

    method: str
    hyper_parameters: dict[str, float | int | str]
    protocol: Protocol
    model: str
    model_sha256: Sha256
    release_sha256: Sha256
    evaluator_version: str = EVALUATOR_VERSION

    def key(self, case: EditCase) -> str:
        """Return the name of a case's record: it changes with anything that a number depends on."""
        return sha256_json({"case": case.model_dump(mode="json"), **self.model_dump(mode="json")})


def _mean(values: list[float | None]) -> float | None:
    scored = [value for value in values if value is not None]
    return fmean(scored) if scored else None
