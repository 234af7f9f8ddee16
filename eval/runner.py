"""Single editing: every method on every case, one record file a block and method, resumable at any point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from curation.records import StageCount
from eval.editors.port import Editor
from eval.measuring import CheckedModel, Guard
from eval.methods import Bench, check_methods, editors_for, fast_model, loaded_model
from eval.models.curriculum import TinyTraining
from eval.plan import Encoder, Options, PlannedCase, blocks_of, identity_of, planned_cases
from eval.records import Dialect, EditCase, EvalRecord, dialect_of
from eval.storage import block_path, present_keys, read_records, write_block
from eval.summary import Summary, summarise, write_summary
from eval.trial import Held, Trial
from warehouse.release import Release, open_release

Progress = Callable[[str, int, int], None]
Block = tuple[EditCase, ...]


@dataclass(frozen=True)
class Work:
    """What is left to do of one block: of each method the cases without a record, none for a method done."""

    block: Block
    missing: dict[str, Block]

    @property
    def edits(self) -> int:
        """Return how many edits that are."""
        return sum(map(len, self.missing.values()))


class SingleRun:
    """One model, its editors and a release, ready to work on any block; edits never outlive a block."""

    def __init__(
        self, release: Release, model: CheckedModel, editors: Sequence[Editor], options: Options, out: Path
    ) -> None:
        """Encode nothing yet. Raises PrerequisiteError when the release has no eval case."""
        self.release, self.options, self.out = release, options, out
        self.cases = planned_cases(release, options.limit)
        self.editors = {editor.name: editor for editor in editors}
        self.identities = {editor.name: identity_of(release, model, editor, options) for editor in editors}
        self._model = model
        self._encoders: dict[Dialect, Encoder] = {}
        self._held = Held(model)

    @cached_property
    def _guard(self) -> Guard:
        return Guard(self._model)

    def keys(self) -> dict[str, tuple[str, str]]:
        """Return the key of every record of the whole plan, all shards, with its method and case id."""
        return {
            identity.key(case): (method, case.case_id)
            for method, identity in self.identities.items()
            for case in self.cases
        }

    def work(self) -> list[Work]:
        """Return this shard's blocks with what is missing of them, as the record files are now."""
        present = present_keys(self.out)
        return [
            Work(
                block,
                {
                    method: tuple(case for case in block if identity.key(case) not in present)
                    for method, identity in self.identities.items()
                },
            )
            for block in blocks_of(self.cases, self.options)
        ]

    def is_done(self, work: Work) -> bool:
        """Return whether everything that was missing has been written since, by whoever."""
        return all(
            block_path(self.out, [self.identities[method].key(case) for case in cases]).is_file()
            for method, cases in work.missing.items()
            if cases
        )

    def do(self, work: Work) -> None:
        """Make the missing records of a block, and write each method's as one file.

        Raises IntegrityError, and writes nothing more, when a weight of the model has changed.
        """
        guard = self._guard
        try:
            for dialect, methods in self._by_dialect(work).items():
                encoder = self._encoder(dialect)
                wanted = {case.case_id for method in methods for case in work.missing[method]}
                planned = {c.case_id: encoder.case(c) for c in work.block if c.case_id in wanted}
                for method in methods:
                    group = [planned[case.case_id] for case in work.missing[method]]
                    records = self._records(self.editors[method], group)
                    guard.glance()
                    write_block(self.out, records)
        finally:
            self._held.drop()

    def finish(self) -> None:
        """Check that no bit of the model's state has changed. Raises IntegrityError when one has."""
        self._guard.check()

    def _by_dialect(self, work: Work) -> dict[Dialect, list[str]]:
        grouped: dict[Dialect, list[str]] = {}
        for method, cases in work.missing.items():
            if cases:
                grouped.setdefault(dialect_of(self.options.protocol, method), []).append(method)
        return grouped

    def _encoder(self, dialect: Dialect) -> Encoder:
        if dialect not in self._encoders:
            self._encoders[dialect] = Encoder(self.release, self._model, dialect, self.options.tokens)
        return self._encoders[dialect]

    def _records(self, editor: Editor, group: Sequence[PlannedCase]) -> list[EvalRecord]:
        identity = self.identities[editor.name]
        encoder = self._encoder(identity.dialect)
        trial = Trial(self._model, editor, encoder, self.options, self._order)
        found = trial.readings(group, self._held)
        return [
            EvalRecord(key=identity.key(one.case), run=identity, case=one.case, readings=readings)
            for one, readings in zip(group, found, strict=True)
        ]

    @cached_property
    def _order(self) -> tuple[EditCase, ...]:
        """Return the whole eval split, which says which edit came before a case, whatever the subsample."""
        return planned_cases(self.release, None)


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


def run_all(run: SingleRun, progress: Progress) -> None:
    """Make every missing record of this shard, block by block, in this process."""
    works = run.work()
    total = sum(len(work.block) * len(work.missing) for work in works)
    done = total - sum(work.edits for work in works)
    for work in works:
        if work.edits:
            run.do(work)
            done += work.edits
            progress("evaluate", done, total)
    run.finish()


def counts_of(run: SingleRun) -> list[StageCount]:
    """Return in = kept + rejected (unscored, by reason) + pending, of this shard's edits and their probes."""
    mine = {case.case_id for block in blocks_of(run.cases, run.options) for case in block}
    wanted = {key for key, (_, case_id) in run.keys().items() if case_id in mine}
    edits = asked = 0
    reasons: Counter[str] = Counter()
    for record in read_records(run.out):
        if record.key in wanted:
            edits += 1
            asked += len(record.readings)
            reasons.update(one.unscored.value for one in record.readings if one.unscored is not None)
    pending, scored = len(wanted) - edits, asked - reasons.total()
    return [
        _count("edits", len(wanted), edits, {}, pending),
        _count("probes", asked, scored, dict(reasons), 0),
    ]


def _count(unit: str, incoming: int, kept: int, rejected: dict[str, int], pending: int) -> StageCount:
    return StageCount(
        stage="evaluate", unit=unit, incoming=incoming, kept=kept, rejected=rejected, pending=pending
    )


def summary_of(run: SingleRun, quality: dict[str, float | int]) -> Summary:
    """Sum up what there is of the plan, whichever shards have run, and write it beside the records."""
    keys = run.keys()
    planned = (record for record in read_records(run.out) if record.key in keys)
    summary = summarise(run.release, planned, quality)
    write_summary(run.out, summary)
    return summary
