"""Which records a run of single editing has, which are missing, and what they come to; needs no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from curation.ids import sha256_json
from curation.records import StageCount
from eval.plan import Options, blocks_of, planned_cases
from eval.records import EditCase, RunIdentity
from eval.storage import block_path, present_keys, read_records
from eval.summary import Summary, summarise, write_summary
from warehouse.release import Release

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

    @property
    def name(self) -> str:
        """Return the block's name, by which workers claim it: of its cases alone."""
        return sha256_json([case.case_id for case in self.block])[:32]


class Ledger:
    """The plan of a run against the record files that are there; every process reads the same of it."""

    def __init__(
        self, release: Release, identities: Mapping[str, RunIdentity], options: Options, out: Path
    ) -> None:
        """Plan the cases; identities: by method. Raises PrerequisiteError for a release without cases."""
        self.release, self.identities, self.options, self.out = release, dict(identities), options, out
        self.cases = planned_cases(release, options.limit)

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

    def written(self, work: Work, method: str) -> bool:
        """Return whether what was missing of a method has been written since, by whoever."""
        keys = [self.identities[method].key(case) for case in work.missing[method]]
        return not keys or block_path(self.out, keys).is_file()

    def is_done(self, work: Work) -> bool:
        """Return whether everything that was missing of a block has been written since, by whoever."""
        return all(self.written(work, method) for method in work.missing)

    def counts(self) -> list[StageCount]:
        """Return in = kept + rejected (unscored, by reason) + pending of this shard's edits, and probes."""
        mine = {case.case_id for block in blocks_of(self.cases, self.options) for case in block}
        wanted = {key for key, (_, case_id) in self.keys().items() if case_id in mine}
        edits = asked = 0
        reasons: Counter[str] = Counter()
        for record in read_records(self.out):
            if record.key in wanted:
                edits += 1
                asked += len(record.readings)
                reasons.update(one.unscored.value for one in record.readings if one.unscored is not None)
        scored = asked - reasons.total()
        return [
            _count("edits", len(wanted), edits, {}, len(wanted) - edits),
            _count("probes", asked, scored, dict(reasons), 0),
        ]

    def summary(self, quality: dict[str, float | int]) -> Summary:
        """Sum up what there is of the plan, whichever shards have run, and write it beside the records.

        quality: what was measured when the model was trained, {} for one that the project did not train.
        """
        keys = self.keys()
        planned = (record for record in read_records(self.out) if record.key in keys)
        summary = summarise(self.release, planned, quality)
        write_summary(self.out, summary)
        return summary


def _count(unit: str, incoming: int, kept: int, rejected: dict[str, int], pending: int) -> StageCount:
    return StageCount(
        stage="evaluate", unit=unit, incoming=incoming, kept=kept, rejected=rejected, pending=pending
    )
