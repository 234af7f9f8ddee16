"""Single editing: every method on every case, one record file each, resumable at any point."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from curation.errors import PrerequisiteError
from curation.records import ProbeKind, Split
from eval.cases import edit_cases
from eval.editors.ft_alignment import FtAlignment
from eval.editors.ft_llm import FtLlm
from eval.editors.ike import Ike, sentence_encoder
from eval.editors.none import NoEdit
from eval.editors.port import Editor
from eval.metrics import exact_match, token_accuracy, top1_agreement, topk_overlap
from eval.models.checkpoints import quality_log
from eval.models.curriculum import TinyTraining
from eval.models.port import DoesNotFitError, Edit, MultimodalModel, Question, Reading
from eval.models.training import trained_model
from eval.records import CaseProbe, EditCase, EvalRecord, ProbeScore, Protocol, RunIdentity, Unscored
from eval.storage import read_record, write_record
from eval.summary import Summary, summarise, write_summary
from warehouse.release import Release

Progress = Callable[[str, int, int], None]

_LOCALITY = {ProbeKind.T_LOC, ProbeKind.I_LOC}


def _ike(release: Release) -> Editor:
    return Ike(list(edit_cases(release, Split.TRAIN)), sentence_encoder())


METHODS: dict[str, Callable[[Release], Editor]] = {
    "none": lambda _: NoEdit(),
    "FT-LLM": lambda _: FtLlm(),
    "FT-Alignment": lambda _: FtAlignment(),
    "IKE": _ike,
}


def evaluate(
    release: Release,
    out: Path,
    cache: Path,
    methods: Sequence[str],
    progress: Progress,
    training: TinyTraining | None = None,
) -> Summary:
    """Train or load the tiny model, edit it with each method on each eval case, and sum up.

    out: gets records/<key>.json and summary.json; records that are there and whole are kept. cache: holds
    the trained model. methods: keys of METHODS. progress: called with a stage, steps done and steps.
    Raises PrerequisiteError for an unknown method, an empty eval split or a missing library.
    """
    for method in methods:
        if method not in METHODS:
            raise PrerequisiteError(f"there is no method {method!r}; choose from {', '.join(METHODS)}")
    cases = list(edit_cases(release, Split.EVAL))
    if not cases:
        raise PrerequisiteError(
            f"release {release.version} has nothing to evaluate; freeze one with eval items"
        )
    model = trained_model(release, cache, training or TinyTraining(), progress)
    editors = [METHODS[method](release) for method in methods]
    records = []
    for done, record in enumerate(run(model, editors, cases, release, out), start=1):
        records.append(record)
        progress("evaluate", done, len(cases) * len(editors))
    summary = summarise(release, records, quality_log(cache, model))
    write_summary(out, summary)
    return summary


def run(
    model: MultimodalModel, editors: Sequence[Editor], cases: Sequence[EditCase], release: Release, out: Path
) -> Iterator[EvalRecord]:
    """Yield the record of every case under every editor: read where it is there, else made and written."""
    for case in cases:
        base: list[Reading] | None = None
        for editor in editors:
            identity = _identity(model, editor, release)
            record = read_record(out, identity.key(case))
            if record is None:
                questions = [_question(probe, release) for probe in case.probes]
                base = base or model.read(questions, Edit())
                scores = score_case(model, editor, case, release.image(case.image), questions, base)
                record = EvalRecord(key=identity.key(case), case=case, scores=scores, **dict(identity))
                write_record(out, record)
            yield record


def score_case(
    model: MultimodalModel,
    editor: Editor,
    case: EditCase,
    picture: bytes,
    questions: Sequence[Question],
    base: Sequence[Reading],
) -> tuple[ProbeScore, ...]:
    """Return the scores of one edit on all its probes.

    questions: one per probe, in order. base: the unedited model's readings of them. All probes go
    through in one batch, the same for base and edited model, so that an edit that changes nothing changes no
    bit.
    """
    try:
        edit = editor.edit(model, case, picture)
    except DoesNotFitError as error:
        return tuple(
            ProbeScore(probe_id=probe.probe_id, kind=probe.kind, unscored=error.reason)
            for probe in case.probes
        )
    readings, texts = model.read(questions, edit), model.generate(questions, edit)
    return tuple(map(_score, case.probes, base, readings, texts))


def _score(probe: CaseProbe, base: Reading, edited: Reading, generated: str) -> ProbeScore:
    missing = Unscored.NO_PICTURE if probe.image_role is not None and probe.image is None else None
    reason = missing or edited.unscored or base.unscored
    if reason is not None:
        return ProbeScore(probe_id=probe.probe_id, kind=probe.kind, unscored=reason)
    local = probe.kind in _LOCALITY
    return ProbeScore(
        probe_id=probe.probe_id,
        kind=probe.kind,
        label_ids=edited.label_ids,
        predicted_ids=edited.predicted_ids,
        generated=generated,
        token_accuracy=token_accuracy(edited.predicted_ids, edited.label_ids),
        exact_match=exact_match(generated, probe.answer),
        top1_agreement=top1_agreement(base.predicted_ids, edited.predicted_ids) if local else None,
        topk_overlap=topk_overlap(base.top_ids, edited.top_ids) if local else None,
    )


def _question(probe: CaseProbe, release: Release) -> Question:
    return Question(probe.question, probe.answer, release.image(probe.image) if probe.image else None)


def _identity(model: MultimodalModel, editor: Editor, release: Release) -> RunIdentity:
    return RunIdentity(
        method=editor.name,
        hyper_parameters=editor.hyper_parameters(),
        protocol=Protocol.CLEAN,
        model=model.name,
        model_sha256=model.digest,
        release_sha256=release.content_sha256,
    )
