"""What must hold for a drafted item, one function each: all that is wrong, in a fixed order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from curation.drafting.checks.finding import Finding
from curation.drafting.facts import holds
from curation.drafting.phrases import bare_name
from curation.drafting.schemas import MAX_ANSWER_WORDS
from curation.errors import Reason, Rejected
from curation.records import EditType, KnowledgeItem, Probe, ProbeKind

MAX_TARGET_WORDS = 250
"""Request and edited text together; far below SERAC's 510 word pieces (reference code, SERAC classifier)."""

_RELIABILITY = (ProbeKind.T_REL, ProbeKind.I_REL, ProbeKind.I_GEN)
_ADDRESS = re.compile(r"https?:|www\.|\b[\w-]+\.(?:com|org|net|io|ru)\b|@\w", re.IGNORECASE)
_MARKUP = re.compile(r"<[^>\s]|\[[^\]]*\]\(|```|&[a-z#0-9]+;|[{}]")
_CONTROL = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")


def check_item(item: KnowledgeItem) -> list[Finding]:
    """Return all that is wrong with an item, in the order of NAMES; [] when it passes every check."""
    found = []
    for check in _CHECKS:
        wrong = check(item)
        if wrong is not None:
            found.append(
                Finding(check=check.__name__, reason=wrong.reason, probe_id=None, detail=wrong.detail)
            )
    return found


def hostile(item: KnowledgeItem) -> Rejected | None:
    """No text holds an address, markup, a control character or one that changes the writing direction."""
    for text in _texts(item):
        bad = next((char for char in text if unicodedata.category(char) in _CONTROL), None)
        if bad is not None:
            return Rejected(item.item_id, Reason.HOSTILE_CONTENT, f"character U+{ord(bad):04X} in a text")
        found = _ADDRESS.search(text) or _MARKUP.search(text)
        if found is not None:
            kind = "an address" if _ADDRESS.search(text) else "markup"
            return Rejected(
                item.item_id, Reason.HOSTILE_CONTENT, f"{kind} in a text, at character {found.start()}"
            )
    return None


def too_long(item: KnowledgeItem) -> Rejected | None:
    """Request and target stay far under 500 word pieces, answers under 12 words."""
    words = len(f"{item.request} {item.edited_text}".split())
    if words > MAX_TARGET_WORDS:
        return Rejected(item.item_id, Reason.TOO_LONG, f"request and edited text have {words} words")
    for probe in item.probes:
        if len(probe.answer.split()) > MAX_ANSWER_WORDS:
            return Rejected(
                item.item_id, Reason.TOO_LONG, f"{probe.probe_id} answers {_quoted(probe.answer)}"
            )
    return None


def answers(item: KnowledgeItem) -> Rejected | None:
    """Answers are tidy; reliability answers are spans of the edited text and not of the original one."""
    for probe in item.probes:
        if probe.answer != probe.answer.strip() or probe.answer.endswith("."):
            return Rejected(
                item.item_id, Reason.SCHEMA_INVALID, f"{probe.probe_id} answers {_quoted(probe.answer)}"
            )
        if holds(probe.question, probe.answer) and probe.kind is not ProbeKind.PORT:
            return _about(item, probe, Reason.ANSWER_IN_QUESTION, "stands in its own question")
    for probe in _reliability(item):
        if not holds(item.edited_text, probe.answer):
            return _about(item, probe, Reason.ANSWER_NOT_IN_EDITED_TEXT, "is no span of the edited text")
        if holds(item.original_text, probe.answer):
            return _about(item, probe, Reason.ANSWER_IN_ORIGINAL_TEXT, "stands in the original text too")
    return None


def same_answers(item: KnowledgeItem) -> Rejected | None:
    """The two questions of a kind have different answers, or one thing is measured twice."""
    for kind in _RELIABILITY:
        found = [probe.answer.lower() for probe in item.probes_of(kind)]
        if len(set(found)) != len(found):
            return Rejected(
                item.item_id,
                Reason.SAME_RELIABILITY_ANSWER,
                f"{kind.value} answers {_quoted(found[0])} twice",
            )
    return None


def counterfactual(item: KnowledgeItem) -> Rejected | None:
    """Entity and semantic edits change something that the original text states word for word."""
    if item.edit_type is EditType.USER_SPECIFIC:
        return None
    if item.edited_text.lower() == item.original_text.lower():
        return Rejected(item.item_id, Reason.NOT_COUNTERFACTUAL, "the edited text is the original text")
    for probe in _reliability(item):
        before = probe.original_answer
        if before is not None and not holds(item.original_text, before):
            detail = f"{probe.probe_id}: {_quoted(before)} is no span of the original text"
            return Rejected(item.item_id, Reason.ORIGINAL_ANSWER_NOT_IN_TEXT, detail)
        if before is None or before.lower() == probe.answer.lower():
            return _about(
                item, probe, Reason.NOT_COUNTERFACTUAL, "is what was true before, or that is not known"
            )
    return None


def leaks(item: KnowledgeItem) -> Rejected | None:
    """Requests and picture questions never name the subject; a composite's does, so that it is looked for."""
    name = bare_name(item.subject_name).removeprefix("The ")
    stem = name[:-1] if name.endswith("s") and len(name) > 4 else name
    if holds(item.fine_type, name):
        return None
    asked = [("request", item.request), ("rephrased request", item.rephrased_request)]
    asked += [
        (probe.probe_id, probe.question)
        for probe in item.probes
        if probe.kind in (ProbeKind.I_REL, ProbeKind.I_GEN)
        or (probe.kind is ProbeKind.PORT and item.edit_type is EditType.VISUAL_ENTITY)
    ]
    for where, text in asked:
        if holds(text, name) or holds(text, stem) or holds(text, f"{name}s"):
            return Rejected(item.item_id, Reason.NAME_LEAKED, f"{where} names {_quoted(name)}")
    return None


def hop(item: KnowledgeItem) -> Rejected | None:
    """An entity's portability question needs the edit: neither text nor question gives its answer away."""
    if item.edit_type is not EditType.VISUAL_ENTITY:
        return None
    edited = {probe.answer for probe in _reliability(item)}
    for probe in item.probes_of(ProbeKind.PORT):
        if holds(item.edited_text, probe.answer) or holds(probe.question, probe.answer):
            return _about(item, probe, Reason.NOT_ONE_HOP, "can be read off without a hop")
        given = next((value for value in sorted(edited) if holds(probe.question, value)), None)
        if given is not None:
            return Rejected(item.item_id, Reason.NOT_ONE_HOP, f"{probe.probe_id} gives {_quoted(given)} away")
    return None


def _reliability(item: KnowledgeItem) -> Iterator[Probe]:
    return (probe for probe in item.probes if probe.kind in _RELIABILITY)


def _texts(item: KnowledgeItem) -> Iterator[str]:
    yield from (
        item.original_text,
        item.edited_text,
        item.request,
        item.rephrased_request,
        item.user_name or "",
    )
    for probe in item.probes:
        yield from (probe.question, probe.answer, probe.original_answer or "")


def _about(item: KnowledgeItem, probe: Probe, reason: Reason, what: str) -> Rejected:
    return Rejected(item.item_id, reason, f"{probe.probe_id}: {_quoted(probe.answer)} {what}")


def _quoted(text: str) -> str:
    """Return a span for a message: short, and without what could act in a terminal or a page."""
    plain = "".join(char for char in text if unicodedata.category(char) not in _CONTROL and char not in "<>")
    return f"'{plain[:80]}'"


_CHECKS = (hostile, too_long, answers, same_answers, counterfactual, leaks, hop)
NAMES = tuple(check.__name__ for check in _CHECKS)
"""The names of the checks, in the order in which they are made."""
