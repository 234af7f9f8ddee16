"""What human verification changed, and what it cost in time: how many items, which questions, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from curation.ids import nfc
from curation.records import Annotation, EditType, KnowledgeItem, Probe, ProbeKind, Verdict, VerdictState
from curation.reviewing.agreement import first_votes
from curation.reviewing.forms import PROBE_VERDICTS

_RELIABILITY = (ProbeKind.T_REL, ProbeKind.I_REL, ProbeKind.I_GEN)
_PROBE_PLACE = re.compile(r"probes\.(?P<probe>[^.]+?)(?:\.(?P<part>question|answer)| (?P<removed>removed))")
# A vote in less than this share of the usual time was hardly read.
HASTY_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole with its 95 % Wilson interval (Wilson 1927); None where the whole is 0."""

    part: int
    whole: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds from opening a task to submitting the vote, as Label Studio measured them.

    votes: how many have a time. hasty: votes in less than a quarter of everybody's median.
    """

    name: str
    votes: int
    median: float | None
    low: float | None
    high: float | None
    hasty: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What people made of drafts.

    states: items by verdict, 'waiting' where too few have voted. changed: decided items that people fixed or
    rejected. fixes: what was changed in fixed items, by place ('edited text', 'T-Rel answer', 'Port
    removed'). votes: first votes on questions by kind and verdict. faulted: reliability answers that a vote
    changed or dropped, of those that it judged. still_original: of these, those that were what the item says
    before the edit, the fault that MMKE-Bench's own example of human verification shows. reasons: of
    rejections and disputes.
    """

    states: Mapping[str, int]
    changed: Share
    fixes: Mapping[str, int]
    votes: Mapping[str, Mapping[str, int]]
    faulted: Share
    still_original: Share
    reasons: Mapping[str, int]
    hours: float


def effect(
    items: Sequence[KnowledgeItem], verdicts: Sequence[Verdict], annotations: Sequence[Annotation]
) -> Effect:
    """Return what verification changed, over the present wording of items and the votes on it."""
    known = {item.task_key: item for item in items}
    found = {verdict.task_key: verdict for verdict in verdicts if verdict.task_key in known}
    states = Counter(found[key].state.value.lower() if key in found else "waiting" for key in known)
    decided = sum(states[name] for name in ("approved", "fixed", "rejected"))
    changed = states["fixed"] + states["rejected"]
    votes = [vote for vote in first_votes(annotations) if vote.task_key in known]
    faulted = _faulted(known, votes)
    asked = [probe for vote in votes for probe in known[vote.task_key].probes if probe.kind in _RELIABILITY]
    return Effect(
        states={name: states[name] for name in (*(state.value.lower() for state in VerdictState), "waiting")},
        changed=share(changed, decided),
        fixes=_fixes(known, found.values()),
        votes=_votes(known, votes),
        faulted=share(len(faulted), len(asked)),
        still_original=share(sum(_is_original(item, probe) for item, probe in faulted), len(faulted)),
        reasons=Counter(reason for verdict in found.values() for reason in verdict.reasons),
        hours=sum(vote.lead_time or 0.0 for vote in annotations) / 3600,
    )


def paces(annotations: Sequence[Annotation], names: Mapping[str, str]) -> list[Pace]:
    """Return the pace of all votes, then of every name that votes have; names: by annotation id."""
    times = {
        vote.annotation_id: vote.lead_time for vote in annotations if vote.lead_time and not vote.skipped
    }
    usual = median(times.values()) if times else 0.0
    of: dict[str, list[float]] = {"all": list(times.values())}
    for key, seconds in times.items():
        if key in names:
            of.setdefault(names[key], []).append(seconds)
    return [_pace(name, of[name], usual) for name in ("all", *sorted(set(of) - {"all"}))]


def share(part: int, whole: int) -> Share:
    """Return a share with its 95 % Wilson interval."""
    if not whole:
        return Share(part, whole, None, None, None)
    from scipy.stats import binomtest

    interval = binomtest(part, whole).proportion_ci(method="wilson")
    return Share(part, whole, part / whole, float(interval.low), float(interval.high))


def _pace(name: str, seconds: list[float], usual: float) -> Pace:
    hasty = sum(one < HASTY_SHARE * usual for one in seconds)
    if len(seconds) < 2:
        return Pace(name, len(seconds), seconds[0] if seconds else None, None, None, hasty)
    low, middle, high = quantiles(seconds, n=4, method="inclusive")
    return Pace(name, len(seconds), middle, low, high, hasty)


def _fixes(known: Mapping[str, KnowledgeItem], verdicts: Iterable[Verdict]) -> Mapping[str, int]:
    places: Counter[str] = Counter()
    for verdict in verdicts:
        if verdict.state is VerdictState.FIXED:
            places.update(_place(known[verdict.task_key], place) for place in verdict.changed)
    return dict(sorted(places.items(), key=lambda row: (-row[1], row[0])))


def _place(item: KnowledgeItem, place: str) -> str:
    """Return what a verdict calls 'probes.T-Rel-1.answer' by the kind of question: 'T-Rel answer'."""
    match = _PROBE_PLACE.fullmatch(place)
    if match is None:
        return place.replace("_", " ")
    kinds = {probe.probe_id: probe.kind.value for probe in item.probes}
    return f"{kinds.get(match['probe'], match['probe'])} {match['part'] or match['removed']}"


def _votes(known: Mapping[str, KnowledgeItem], votes: Sequence[Annotation]) -> dict[str, dict[str, int]]:
    counts = {kind.value: dict.fromkeys(PROBE_VERDICTS, 0) for kind in ProbeKind}
    for vote in votes:
        kinds = {probe.probe_id: probe.kind.value for probe in known[vote.task_key].probes}
        for said in vote.probe_votes:
            if said.probe_id in kinds:
                counts[kinds[said.probe_id]][said.verdict] += 1
    return counts


def _faulted(
    known: Mapping[str, KnowledgeItem], votes: Sequence[Annotation]
) -> list[tuple[KnowledgeItem, Probe]]:
    """Return the reliability questions whose answer a vote changed or dropped, once for every such vote."""
    found = []
    for vote in votes:
        item = known[vote.task_key]
        probes = {probe.probe_id: probe for probe in item.probes if probe.kind in _RELIABILITY}
        for said in vote.probe_votes:
            probe = probes.get(said.probe_id)
            if probe is not None and (said.verdict == "drop" or _other(said.answer, probe.answer)):
                found.append((item, probe))
    return found


def _other(text: str | None, answer: str) -> bool:
    return text is not None and nfc(text).casefold() != nfc(answer).casefold()


def _is_original(item: KnowledgeItem, probe: Probe) -> bool:
    if item.edit_type is EditType.USER_SPECIFIC:
        return False
    answer = nfc(probe.answer).casefold()
    said_before = nfc(probe.original_answer or "").casefold()
    before = nfc(item.original_text).casefold()
    return answer == said_before or re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", before) is not None
