"""Pairs of pictures go to people in Label Studio, and their answers become rulings that every run obeys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from curation.deduplicating.rulings import Key, Ruling, pair_key, read_rulings, rule
from curation.errors import Rejected
from curation.galleries import measured, transform_words
from curation.records import DuplicatePair, ImageAsset, Outcome, PairVerdict, StageCount
from curation.reviewing.desk import PushReport, RawAnnotation
from curation.reviewing.label_studio import LabelStudioDesk
from curation.reviewing.pairs import (
    QUEUE,
    PairRuling,
    PairTask,
    PairVote,
    pair_interface,
    parse_pair,
    resolve_pairs,
)
from curation.reviewing.server import StudioServer
from flows.settings import Settings
from flows.wiring import artefacts
from warehouse.store import Store, open_store, read_store, record_event

DEDUPE = "dedupe"


class PairDesk(Protocol):
    """Where people compare pairs: LabelStudioDesk with the interface of pairs."""

    def push(self, tasks: Sequence[PairTask], read_image: Callable[[str], bytes]) -> PushReport:
        """Put tasks before people, each once."""
        ...

    def pull(self, since: str | None) -> Iterator[RawAnnotation]:
        """Yield the annotations."""
        ...


def pair_desk(server: StudioServer, settings: Settings) -> LabelStudioDesk:
    """Return the queue of pairs on a server; one vote a pair suffices."""
    return LabelStudioDesk(
        server.url,
        server.token,
        server.files,
        "MMKE Forge",
        queue=QUEUE,
        overlap=1,
        interface=pair_interface(),
    )


def push_pairs(settings: Settings, desk: PairDesk) -> PushReport:
    """Push the pairs in doubt on which nobody has ruled; a pair that is there already is not pushed again.

    Raises PrerequisiteError when nothing was collected yet, or the rulings file is damaged.
    """
    rulings = read_rulings(settings.dedupe.rulings)
    with read_store(settings.home) as store:
        tasks = [task for task in _tasks(store) if _key(task) not in rulings]
    return desk.push(tasks, artefacts(settings).get)


def pull_pairs(settings: Settings, desk: PairDesk) -> tuple[list[StageCount], list[str]]:
    """Fetch the votes, save them raw, and add to the rulings file what they come to.

    Returns the counts of votes and of pairs, and a line for each pair that is ruled now or on which people
    disagree. What the file says already is not said again; what was written there after the vote stands.
    """
    kept = artefacts(settings)
    parsed = [parse_pair(raw, kept.put(raw.raw)) for raw in desk.pull(None)]
    votes = [vote for vote in parsed if isinstance(vote, PairVote)]
    refused = [vote for vote in parsed if isinstance(vote, Rejected)]
    with open_store(settings.home) as store:
        store.append([record_event("pair_vote", vote.annotation_id, vote) for vote in votes])
        tasks = _tasks(store)
    resolved = resolve_pairs(votes)
    lines = [f"not read: {vote.key}: {vote.detail}" for vote in refused]
    lines += _obeyed(settings.dedupe.rulings, resolved, {_key(task): task for task in tasks})
    rulings = read_rulings(settings.dedupe.rulings)
    ruled = sum(_key(task) in rulings for task in tasks)
    return [
        StageCount(
            stage="votes",
            unit="votes",
            incoming=len(parsed),
            kept=len(votes),
            rejected={str(refused[0].reason): len(refused)} if refused else {},
            pending=0,
        ),
        StageCount(
            stage="pairs",
            unit="pairs in doubt",
            incoming=len(tasks),
            kept=ruled,
            rejected={},
            pending=len(tasks) - ruled,
        ),
    ], lines


def _obeyed(path: Path, resolved: Sequence[PairRuling], tasks: Mapping[Key, PairTask]) -> Iterator[str]:
    """Add rulings to the file and yield what was done, in words."""
    before = read_rulings(path)
    for found in resolved:
        key = pair_key(found.first, found.second)
        task = tasks.get(key)
        name = f"{task.first.image_id} {task.second.image_id}" if task else f"{key[0][:12]} {key[1][:12]}"
        known = before.get(key)
        if found.verdict is None:
            if known is None:
                yield f"{name}: {found.detail}"
        elif known is None or (known.verdict != found.verdict and _earlier(known, found)):
            rule(
                path,
                *key,
                found.verdict,
                who=", ".join(found.annotators),
                when=found.decided_at,
                note="in Label Studio",
            )
            yield f"{name}: {found.detail}"


def _earlier(known: Ruling, found: PairRuling) -> bool:
    """Return whether a ruling in the file is older than the votes; one without a readable time is not."""
    try:
        return _moment(known.when) < _moment(found.decided_at)
    except ValueError:
        return False


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _key(task: PairTask) -> Key:
    return pair_key(task.first.sha256, task.second.sha256)


def _tasks(store: Store) -> list[PairTask]:
    """Return the pairs in doubt of the last dedupe run of which it keeps both pictures.

    Where one is dropped for a third picture, there is nothing to decide.
    """
    there = {key for key, state in store.outcomes(DEDUPE).items() if state == Outcome.KEPT}
    pairs = [DuplicatePair.model_validate(value) for value in store.payloads("pair").values()]
    doubtful = [
        pair for pair in pairs if pair.verdict is PairVerdict.REVIEW and {pair.first, pair.second} <= there
    ]
    images = store.payloads("image")
    names = dict(store.rows("SELECT subject_id, name FROM subject"))

    def task(pair: DuplicatePair) -> PairTask:
        first, second = (ImageAsset.model_validate(images[key]) for key in (pair.first, pair.second))
        return PairTask(
            first=first,
            second=second,
            subjects=(names.get(first.subject_id, ""), names.get(second.subject_id, "")),
            transform=transform_words(pair),
            reason=pair.reason,
            measures=tuple(measured(pair)),
        )

    return [task(pair) for pair in doubtful]
