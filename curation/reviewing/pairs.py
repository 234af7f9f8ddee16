"""Pairs of pictures put before people: the task, a vote on it, and what the votes come to."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from markupsafe import Markup

from curation.errors import Reason, Rejected
from curation.ids import short_id
from curation.records import ImageAsset, Record, Sha256
from curation.reviewing.desk import RawAnnotation
from curation.reviewing.interface import Interface
from curation.reviewing.markup import element, picture
from curation.reviewing.payloads import (
    LONGEST_COMMENT,
    MalformedError,
    Payload,
    TaskKeys,
    one_of,
    read_controls,
    read_payload,
    text_of,
)

QUEUE = "duplicates"
SAME, DIFFERENT, CANNOT_TELL = ANSWERS = ("same", "different", "cannot tell")


class PairTask(Record):
    """Two pictures that a person compares; no answer is suggested.

    subjects: the names of what they were collected for. transform, reason, measures (what it is, number):
    in plain words.
    """

    first: ImageAsset
    second: ImageAsset
    subjects: tuple[str, str]
    transform: str
    reason: str
    measures: tuple[tuple[str, str], ...]
    queue: str = QUEUE

    @property
    def task_key(self) -> str:
        """Return the key by which pushing is idempotent: it depends on the bytes of the two alone."""
        return pair_id(self.first.sha256, self.second.sha256)


class PairVote(Record):
    """One person's answer on one pair, as read from the desk; answer: None when the pair was skipped.

    first, second: sha256 of the fetched bytes, in order. raw_sha256: the untouched annotation.
    """

    annotation_id: str
    task_key: str
    first: Sha256
    second: Sha256
    annotator: str
    answer: str | None
    comment: str
    updated_at: str
    raw_sha256: Sha256


class PairRuling(Record):
    """What the votes on a pair come to; verdict: None without a ruling, and then detail says why."""

    first: Sha256
    second: Sha256
    verdict: Literal["same", "different"] | None
    annotators: tuple[str, ...]
    decided_at: str
    detail: str


def pair_id(first: str, second: str) -> str:
    """Return the id of two pictures by the sha256 of their bytes; their order does not matter."""
    return short_id("pair", *sorted((first, second)))


@cache
def pair_interface() -> Interface:
    """Return the interface in which people compare two pictures."""
    folder = files("curation.reviewing")
    config = folder.joinpath("pairs.xml").read_text(encoding="utf-8")
    guidelines = folder.joinpath("pairs.html").read_text(encoding="utf-8")
    return Interface(config, guidelines, pair_data, _pictures)


def pair_data(task: PairTask) -> dict[str, Any]:
    """Return what a task shows and the keys by which an annotation finds its way back."""
    first, second = sorted((task.first.sha256, task.second.sha256))
    return {
        "task_key": task.task_key,
        "item_id": task.task_key,
        "queue": task.queue,
        "first": first,
        "second": second,
        "image_ids": [task.first.image_id, task.second.image_id],
        "head_html": str(_head(task)),
        "pair_html": str(
            element(
                "div",
                _figure(task.first, task.subjects[0]),
                _figure(task.second, task.subjects[1]),
                css="mm-gal",
            )
        ),
    }


def parse_pair(raw: RawAnnotation, raw_sha256: str) -> PairVote | Rejected:
    """Return the vote in a raw annotation of a pair, or why it cannot be read; as strict as `forms.parse`."""
    try:
        payload = read_payload(raw, _PairPayload)
        return _vote(payload, raw_sha256)
    except MalformedError as error:
        key = f"{raw.task_key}#{raw.annotation_id}"
        return Rejected(key, Reason.MALFORMED_ANNOTATION, str(error))


def resolve_pairs(votes: Iterable[PairVote]) -> list[PairRuling]:
    """Return what the votes on each pair come to, ordered by pair.

    One vote suffices; of a person's votes the last counts. People who disagree, or who cannot tell, make
    no ruling.
    """
    last: dict[tuple[str, str, str], PairVote] = {}
    for vote in sorted(votes, key=lambda vote: (vote.updated_at, int(vote.annotation_id))):
        last[vote.first, vote.second, vote.annotator] = vote
    of_pair: dict[tuple[str, str], list[PairVote]] = {}
    for (first, second, _), vote in sorted(last.items()):
        of_pair.setdefault((first, second), []).append(vote)
    return [_resolve(pair, given) for pair, given in of_pair.items()]


class _PairKeys(TaskKeys):
    first: Sha256
    second: Sha256


class _PairPayload(Payload):
    task: _PairKeys
    queue: Literal["duplicates"]


def _vote(payload: _PairPayload, raw_sha256: str) -> PairVote:
    answer, task = payload.annotation, payload.task
    if task.task_key != pair_id(task.first, task.second) or task.first >= task.second:
        raise MalformedError("its task key is not of its pair")
    entered = {} if answer.was_cancelled else read_controls(answer.result, {"answer"}, {"comment"})
    return PairVote(
        annotation_id=str(answer.id),
        task_key=task.task_key,
        first=task.first,
        second=task.second,
        annotator=payload.annotator,
        answer=None if answer.was_cancelled else one_of(entered, "answer", ANSWERS),
        comment=text_of(entered, "comment", LONGEST_COMMENT) or "",
        updated_at=answer.updated_at,
        raw_sha256=raw_sha256,
    )


def _resolve(pair: tuple[str, str], votes: list[PairVote]) -> PairRuling:
    decided = [vote for vote in votes if vote.answer in (SAME, DIFFERENT)]
    answers = {vote.answer for vote in decided}
    verdict: Literal["same", "different"] | None = None
    if len(answers) == 1:
        verdict = "same" if answers == {SAME} else "different"
        detail = f"{verdict}, said {', '.join(vote.annotator for vote in decided)}"
    elif answers:
        said = "; ".join(f"{vote.annotator}: {vote.answer}" for vote in decided)
        detail = f"people disagree, so nothing is ruled ({said})"
    else:
        detail = "nobody who looked could tell"
    return PairRuling(
        first=pair[0],
        second=pair[1],
        verdict=verdict,
        annotators=tuple(vote.annotator for vote in decided),
        decided_at=max((vote.updated_at for vote in decided), default=""),
        detail=detail,
    )


def _pictures(task: PairTask) -> list[str]:
    return [task.first.derivative_sha256, task.second.derivative_sha256]


def _head(task: PairTask) -> Markup:
    measured = [f"{name} {value}" for name, value in task.measures]
    return element(
        "div",
        element("span", task.transform, css="mm-chip"),
        element("div", task.reason, css="mm-line"),
        element("div", ", ".join(measured), css="mm-note"),
    )


def _figure(asset: ImageAsset, subject: str) -> Markup:
    told = f"{asset.width} × {asset.height} px, {asset.licence}, by {asset.author[:200] or 'unknown'}"
    return element(
        "figure",
        picture(asset.derivative_sha256),
        element(
            "figcaption",
            element("div", subject[:200], css="mm-qt"),
            element("div", told, css="mm-b"),
            element("div", asset.source_page[:300], css="mm-b"),
        ),
    )
