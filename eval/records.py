"""What is edited, what is measured, and the record of one method on one case."""

from __future__ import annotations

from enum import StrEnum

from curation.ids import sha256_json
from curation.records import EditType, ImageRole, ProbeKind, Record, Sha256, Text

# Raised whenever a change of code may change a number; part of every record's key.
EVALUATOR_VERSION = "2"
# How many candidates a position I-Loc compares, as in MMKE-Bench, section 4.
TOP_K = 10


class Protocol(StrEnum):
    """What a number means; a table never mixes two of them.

    clean: the base is the unedited model, labels come from the joint tokenisation of question and
    answer, every method is scored at label positions only. reference: what MMKE-Bench's own code computes
    for each method, its defects included (MMKE-Bench, section 4).
    """

    CLEAN = "clean"
    REFERENCE = "reference"


class Dialect(StrEnum):
    """Which definition of labels, positions and means is in force; protocol and method decide.

    clean: ours. trainer: MultimodalTrainer's, for FT-LLM, FT-Alignment, MEND, SERAC and no edit. ike, ke:
    those of the reference's separate IKE and KE evaluators.
    """

    CLEAN = "clean"
    TRAINER = "mmke-trainer"
    IKE = "mmke-ike"
    KE = "mmke-ke"


def dialect_of(protocol: Protocol, method: str) -> Dialect:
    """Return the dialect that a method's row has in a protocol."""
    if protocol is Protocol.CLEAN:
        return Dialect.CLEAN
    return {"IKE": Dialect.IKE, "KE": Dialect.KE}.get(method, Dialect.TRAINER)


class Unscored(StrEnum):
    """Why a probe has no score."""

    NO_PICTURE = "no_picture"
    TOO_LONG = "too_long"
    NO_LABELS = "no_labels"
    NOT_FINITE = "nan"
    OUT_OF_MEMORY = "oom"


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
    """One edit: make the model answer request, asked about image, with target; then ask the probes.

    original_text: what held before, '' where the edit overwrites nothing. fine_type, user_name: what orders
    of a sequential run go by; user_name is None but for user-specific edits.
    """

    case_id: str
    subject_name: Text
    edit_type: EditType
    category: str
    fine_type: str
    user_name: str | None
    request: Text
    rephrased_request: Text
    original_text: str
    target: Text
    image: Sha256
    probes: tuple[CaseProbe, ...]


class ProbeReading(Record):
    """What base and edited model made of one probe, as ids: every score can be made from it again.

    label_ids: the answer's token ids. predicted_ids: the edited model's first choice at each label.
    base_top, edited_top: at each position that the dialect compares, the TOP_K likeliest tokens of the base
    and of the edited model, best first (one where T-Loc compares all positions); locality probes only.
    generated: the edited model's free (greedy) answer, None when none was asked for. dropped: demonstrations
    that the model's positions had no room for (IKE). A probe with a reason in unscored has no ids.
    """

    probe_id: str
    kind: ProbeKind
    label_ids: tuple[int, ...] = ()
    predicted_ids: tuple[int, ...] = ()
    base_top: tuple[tuple[int, ...], ...] = ()
    edited_top: tuple[tuple[int, ...], ...] = ()
    generated: str | None = None
    dropped: int = 0
    unscored: Unscored | None = None


class Step(Record):
    """Where in a sequential run a case was probed.

    order: the name and seed of the order of edits. position: the case's place in it, from 0. later: how many
    edits were made after its own.
    """

    order: str
    position: int
    later: int


class RunIdentity(Record):
    """What all records of one method in one run have in common; a number is comparable within it only.

    plan_sha256: digest of everything in the plan that can change a bit. precision: exact, default or fast.
    """

    method: str
    hyper_parameters: dict[str, float | int | str]
    protocol: Protocol
    dialect: Dialect
    precision: str
    model: str
    model_sha256: Sha256
    release_sha256: Sha256
    plan_sha256: Sha256
    evaluator_version: str = EVALUATOR_VERSION

    def key(self, case: EditCase, step: Step | None = None) -> str:
        """Return the name of a case's record: it changes with anything that a number depends on."""
        told = {"case": case.model_dump(mode="json"), **self.model_dump(mode="json")}
        return sha256_json(told | {"step": step.model_dump(mode="json") if step else None})


class EvalRecord(Record):
    """All readings of one method on one case, with everything that the numbers depend on.

    Holds no clock reading, so that a repeated run writes the same bytes.
    """

    key: Sha256
    run: RunIdentity
    case: EditCase
    step: Step | None = None
    readings: tuple[ProbeReading, ...]
