"""What a run is made of: its options, cases in blocks and shards, and each case as encoded prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from curation.errors import PrerequisiteError
from curation.ids import sha256_json
from curation.records import EditType, ProbeKind, Split
from eval.cases import edit_cases
from eval.editors.port import Editor
from eval.models.port import DoesNotFitError, MultimodalModel, Picture, Prompt, Question
from eval.models.precision import Precision
from eval.records import (
    CaseProbe,
    Dialect,
    EditCase,
    Protocol,
    RunIdentity,
    Unscored,
    dialect_of,
)
from warehouse.release import Release

LOCALITY = frozenset({ProbeKind.T_LOC, ProbeKind.I_LOC})
# Raised when it changes which prompts share a pass through the model.
_PACKING = "a case's probes in one pass; 2"


@dataclass(frozen=True)
class Options:
    """What a run of single editing may be told, beside release, model and methods.

    precision: exact (float32 all through), default (bfloat16 trunk, float32 tail) or fast (and TF32).
    device: cpu, cuda, cuda:0. tokens: greatest length of a free answer, 0 for none. block: cases whose
    activations are kept at once. edits_at_once: how many edits an editor is given in one call. limit: a
    subsample of so many cases, None for all. shard: (i, n), the i-th, from 1, of n parts of the blocks.
    """

    protocol: Protocol = Protocol.CLEAN
    precision: Precision = Precision.EXACT
    device: str = "cpu"
    tokens: int = 24
    block: int = 16
    edits_at_once: int = 8
    limit: int | None = None
    shard: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        """Raise PrerequisiteError for a value that means nothing."""
        least = {"block": 1, "edits_at_once": 1, "tokens": 0, "limit": 1}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise PrerequisiteError(f"{name} must be at least {bound}, not {value}")
        index, parts = self.shard
        if not 1 <= index <= parts:
            raise PrerequisiteError(f"there is no shard {index}/{parts}; the first of {parts} is 1/{parts}")

    @property
    def digest(self) -> str:
        """Return the digest of everything here that can change a bit of a record.

        In float32 neither batches nor blocks do. In a lower precision they choose other kernels, and so may
        flip a near tie among ten candidates.
        """
        batches = None if self.precision is Precision.EXACT else [self.block, self.edits_at_once, self.limit]
        return sha256_json({"tokens": self.tokens, "packing": _PACKING, "batches": batches})


@dataclass(frozen=True)
class PlannedProbe:
    """A probe as the model reads it; asked: without the answer, to be gone on from.

    Without a prompt unscored says why. asked is None when no free answer is wanted, or it leaves no room.
    """

    probe: CaseProbe
    prompt: Prompt | None = None
    asked: Prompt | None = None
    unscored: Unscored | None = None


@dataclass(frozen=True)
class PlannedCase:
    """A case as the model reads it; request: its edit prompt, or why there is none."""

    case: EditCase
    request: Prompt | Unscored
    probes: tuple[PlannedProbe, ...]

    @property
    def prompts(self) -> list[Prompt]:
        """Return the prompts of the probes that can be read, in order."""
        return [probe.prompt for probe in self.probes if probe.prompt is not None]

    @property
    def asked(self) -> list[Prompt]:
        """Return the prompts that can be gone on from, in order."""
        return [probe.asked for probe in self.probes if probe.asked is not None]


class Encoder:
    """Turns cases into prompts for one model in one dialect."""

    def __init__(self, release: Release, model: MultimodalModel, dialect: Dialect, tokens: int) -> None:
        """Keep what encoding needs; tokens: the length of free answers, 0 for none."""
        self._release, self._model, self._dialect, self._tokens = release, model, dialect, tokens

    def case(self, case: EditCase) -> PlannedCase:
        """Return a case's edit prompt and its probes."""
        request = Question(case.request, case.target, self._picture(case.image))
        try:
            edit: Prompt | Unscored = self._model.encode(request, self._dialect)
        except DoesNotFitError as error:
            edit = error.reason
        return PlannedCase(case, edit, self.probes(case, ""))

    def probes(self, case: EditCase, context: str) -> tuple[PlannedProbe, ...]:
        """Return a case's probes, each asked after a context."""
        return tuple(self._probe(case, probe, context) for probe in case.probes)

    def _probe(self, case: EditCase, probe: CaseProbe, context: str) -> PlannedProbe:
        if probe.image_role is not None and probe.image is None:
            return PlannedProbe(probe, unscored=Unscored.NO_PICTURE)
        digest = probe.image
        users = case.edit_type is EditType.USER_SPECIFIC and probe.kind is ProbeKind.PORT
        if self._dialect is Dialect.IKE and users:
            digest = case.image  # easyeditor/evaluate/evaluate.py asks it on the edit's picture
        picture = self._picture(digest) if digest is not None else None
        question = Question(probe.question, probe.answer, picture, context)
        try:
            prompt = self._model.encode(question, self._dialect, locality=probe.kind in LOCALITY)
        except DoesNotFitError as error:
            return PlannedProbe(probe, unscored=error.reason)
        return PlannedProbe(probe, prompt, self._asked(question))

    def _asked(self, question: Question) -> Prompt | None:
        if not self._tokens:
            return None
        try:
            return self._model.encode(replace(question, answer=""), self._dialect, asked_only=True)
        except DoesNotFitError:
            return None

    def _picture(self, digest: str) -> Picture:
        return Picture(digest, self._release.image(digest))


def planned_cases(release: Release, limit: int | None) -> tuple[EditCase, ...]:
    """Return the cases of the eval split in release order, at most limit of them.

    The subsample is drawn by the ids alone, so that another case in the release moves few of them.
    Raises PrerequisiteError when there is none.
    """
    cases = tuple(edit_cases(release, Split.EVAL))
    if not cases:
        message = f"release {release.version} has nothing to evaluate; freeze one with eval items"
        raise PrerequisiteError(message)
    if limit is None or limit >= len(cases):
        return cases
    drawn = set(sorted((case.case_id for case in cases), key=lambda name: sha256_json([name]))[:limit])
    return tuple(case for case in cases if case.case_id in drawn)


def blocks_of(cases: Sequence[EditCase], options: Options) -> list[tuple[EditCase, ...]]:
    """Return this shard's blocks of the planned cases: every n-th block, whatever was done before."""
    starts = range(0, len(cases), options.block)
    made = [tuple(cases[start : start + options.block]) for start in starts]
    index, parts = options.shard
    return made[index - 1 :: parts]


def identity_of(release: Release, model: MultimodalModel, editor: Editor, options: Options) -> RunIdentity:
    """Return what all records of an editor in a run have in common."""
    return RunIdentity(
        method=editor.name,
        hyper_parameters=editor.hyper_parameters(),
        protocol=options.protocol,
        dialect=dialect_of(options.protocol, editor.name),
        precision=options.precision.value,
        model=model.name,
        model_sha256=model.digest,
        release_sha256=release.content_sha256,
        plan_sha256=options.digest,
    )
