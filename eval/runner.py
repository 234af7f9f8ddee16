"""Single editing: every method on every case, one record file a block and method, resumable at any point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from eval.editors.port import Editor
from eval.ledger import Ledger, Work
from eval.measuring import CheckedModel, Guard
from eval.methods import Bench, check_methods, editors_for, fast_model, loaded_model
from eval.models.curriculum import TinyTraining
from eval.plan import Encoder, Options, PlannedCase, identity_of, planned_cases
from eval.records import Dialect, EditCase, EvalRecord, dialect_of
from eval.storage import write_block
from eval.trial import Held, Trial
from warehouse.release import Release, open_release

Progress = Callable[[str, int, int], None]


class SingleRun:
    """One model, its editors and a release, ready to work on any block; edits never outlive a block."""

    def __init__(
        self, release: Release, model: CheckedModel, editors: Sequence[Editor], options: Options, out: Path
    ) -> None:
        """Encode nothing yet. Raises PrerequisiteError when the release has no eval case."""
        identities = {editor.name: identity_of(release, model, editor, options) for editor in editors}
        self.ledger = Ledger(release, identities, options, out)
        self._editors = {editor.name: editor for editor in editors}
        self._model = model
        self._encoders: dict[Dialect, Encoder] = {}
        self._held = Held(model)

    def do(self, work: Work) -> None:
        """Make the missing records of a block, and write each method's as one file.

        Raises IntegrityError, and writes nothing more, when a weight of the model has changed.
        """
        guard = self._guard
        try:
            for dialect, methods in self._by_dialect(work).items():
                encoder = self.encoder(dialect)
                wanted = {case.case_id for method in methods for case in work.missing[method]}
                planned = {c.case_id: encoder.case(c) for c in work.block if c.case_id in wanted}
                for method in methods:
                    group = [planned[case.case_id] for case in work.missing[method]]
                    records = self._records(self._editors[method], group)
                    guard.glance()
                    write_block(self.ledger.out, records)
        finally:
            self._held.drop()

    def finish(self) -> None:
        """Check that no bit of the model's state has changed. Raises IntegrityError when one has."""
        if "_guard" in vars(self):
            self._guard.check()

    def encoder(self, dialect: Dialect) -> Encoder:
        """Return what turns cases into prompts in a dialect."""
        if dialect not in self._encoders:
            tokens = self.ledger.options.tokens
            self._encoders[dialect] = Encoder(self.ledger.release, self._model, dialect, tokens)
        return self._encoders[dialect]

    @cached_property
    def _guard(self) -> Guard:
        return Guard(self._model)

    @cached_property
    def _order(self) -> tuple[EditCase, ...]:
        """Return the whole eval split, which says which edit came before a case, whatever the subsample."""
        return planned_cases(self.ledger.release, None)

    def _by_dialect(self, work: Work) -> dict[Dialect, list[str]]:
        grouped: dict[Dialect, list[str]] = {}
        for method in work.missing:
            if not self.ledger.written(work, method):
                dialect = dialect_of(self.ledger.options.protocol, method)
                grouped.setdefault(dialect, []).append(method)
        return grouped

    def _records(self, editor: Editor, group: Sequence[PlannedCase]) -> list[EvalRecord]:
        identity = self.ledger.identities[editor.name]
        encoder = self.encoder(identity.dialect)
        trial = Trial(self._model, editor, encoder, self.ledger.options, self._order)
        found = trial.readings(group, self._held)
        return [
            EvalRecord(key=identity.key(one.case), run=identity, case=one.case, readings=readings)
            for one, readings in zip(group, found, strict=True)
        ]


@dataclass(frozen=True)
class Job:
    """All that a process needs to open a run, as values that can be sent to it.

    release: a frozen release's folder. out: gets records. cache: holds trained models and editors. model: as
    loaded_model takes it. methods: keys of METHODS.
    """

    release: Path
    out: Path
    cache: Path
    model: str
    methods: tuple[str, ...]
    options: Options
    training: TinyTraining | None = None

    def on(self, device: str) -> Job:
        """Return the same job on another device."""
        return replace(self, options=replace(self.options, device=device))


def open_run(job: Job, progress: Progress) -> tuple[SingleRun, dict[str, float | int]]:
    """Return the run of a job, its model and editors ready, and what was measured when the model was trained.

    Raises PrerequisiteError for an unknown method, model or device, or a missing library.
    """
    check_methods(job.methods)
    release = open_release(job.release)
    loaded, quality = loaded_model(job.model, release, job.cache, job.options, progress, job.training)
    model = fast_model(loaded, job.options)
    bench = Bench(release, model, job.options.protocol, job.cache, progress)
    return SingleRun(release, model, editors_for(job.methods, bench), job.options, job.out), quality


def opened(job: Job) -> SingleRun:
    """Return the run of a job in a worker, where everything is trained already."""
    return open_run(job, lambda *_: None)[0]


def run_all(run: SingleRun, progress: Progress) -> None:
    """Make every missing record of this shard, block by block, in this process.

    progress: called with 'evaluate', edits there are and edits in all.
    """
    works = run.ledger.work()
    total = sum(len(work.block) * len(work.missing) for work in works)
    done = total - sum(work.edits for work in works)
    for work in works:
        if work.edits:
            run.do(work)
            done += work.edits
            progress("evaluate", done, total)
    run.finish()
