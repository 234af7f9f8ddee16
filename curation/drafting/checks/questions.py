"""Checks on questions: their form, what they refer to, how alike they are, and what they must not touch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from rapidfuzz import fuzz

from curation.drafting.checks.finding import Finding, plain
from curation.drafting.checks.lists import listed
from curation.drafting.checks.naming import distinctive, named_in
from curation.drafting.checks.texts import ABBREVIATED, LOCALITY, reliability
from curation.drafting.checks.words import holds_run, says, tokens
from curation.drafting.mining.phrases import bare_name
from curation.drafting.steps.schemas import MAX_QUESTION_WORDS
from curation.errors import Reason
from curation.records import ImageRole, KnowledgeItem, Probe, ProbeKind

MIN_QUESTION_WORDS = 3
ALIKE = 93
"""Two questions are near-duplicates from this token sort ratio on (0 to 100), names and small words aside."""

_ASKING = frozenset(listed("asking"))
_AUXILIARY = frozenset(listed("auxiliary"))
_END = re.compile(r"(\S+)([.?]+)[\"”’')]*\s+(?=[A-Z\"“(])")
_PICTURE = r"(?:image|picture|photo|photograph|drawing|illustration|figure|snapshot|screenshot)s?"
_SEEN = re.compile(
    rf"\b{_PICTURE}\b|\b(?:shown|depicted|pictured|seen|visible|displayed|portrayed|photographed|you\s+see)\b|"
    r"\b(?:this|these)\s+\w+|\bhere\b",
    re.IGNORECASE,
)
# 'in the picture Guernica' speaks of a work, 'in the picture' of what is shown.
_REFERS = re.compile(
    rf"\b(?i:in|of|from|on|by|with)\s+(?i:the|this|that|these|your)\s+(?i:\w+\s+)?(?i:{_PICTURE})\b(?!\s+(?:[A-Z\"“'‘«]|of\s+(?:God|man|his)\b))|"
    rf"\b(?i:this|these|attached|following|above)\s+(?i:{_PICTURE})\b|"
    r"\b(?i:(?:as\s+)?(?:shown|seen|depicted|pictured|displayed|described|mentioned|stated)\s+(?:here|above|below))\b|"
    r"\b(?i:as\s+(?:shown|pictured|depicted))\b|\b(?i:(?:shown|pictured|depicted|seen)\s+in\s+(?:it|this|the)\b(?=\s*(?:\?|$)))|"
    r"\b(?i:see\s+(?:above|below|picture|image))\b|\b(?i:in\s+front\s+of\s+you)\b"
)
_CONTEXT = re.compile(
    r"\b(?:according\s+to|based\s+on|in|from)\s+(?:the|this)\s+(?:(?:given|above|provided|following|edited|original|source)\s+)?"
    r"(?:passage|paragraph|article|excerpt|source\s+text|provided\s+text|given\s+text|text\s+above|edited\s+text|"
    r"original\s+text|description\s+above)\b|\b(?:according\s+to|based\s+on)\s+(?:the|this)\s+(?:text|description|context|information)\b",
    re.IGNORECASE,
)
_SMALL = frozenset(listed("small_in_questions"))


def question_form(item: KnowledgeItem) -> Iterator[Finding]:
    """A question is one sentence of 3 to 40 words that asks and ends with its only question mark."""
    for probe in item.probes:
        fault = _form_fault(probe.question)
        if fault:
            yield _about(probe, "question_form", f"the question {fault}")


def _form_fault(question: str) -> str:
    words = question.split()
    if not MIN_QUESTION_WORDS <= len(words) <= MAX_QUESTION_WORDS:
        return f"has {len(words)} words; {MIN_QUESTION_WORDS} to {MAX_QUESTION_WORDS} are wanted"
    if question != question.strip():
        return "has a blank at an end"
    if question.count("?") != 1 or not question.rstrip("\"”’')").endswith("?"):
        return "does not end with its only question mark"
    if any(not ABBREVIATED.match(match[1]) for match in _END.finditer(question)) or "\n" in question:
        return "is more than one sentence"
    plain_words = re.sub(r"['’]", "", question.lower())
    asked = re.findall(r"[^\W_]+", plain_words)
    if not asked or not (
        _ASKING & set(asked) or asked[0] in _AUXILIARY or _AUXILIARY & set(_clauses(plain_words))
    ):
        return "does not ask: it has no question word and does not begin with a verb"
    return ""


def _clauses(question: str) -> list[str]:
    """Return the first word of each part after a comma: 'In Greek myth, did Zeus marry Hera?'."""
    return [part.split()[0] for part in question.split(",") if part.split()]


def request_form(item: KnowledgeItem) -> Iterator[Finding]:
    """A request speaks of the picture, is short, and its rephrasing has other words."""
    for name, text in (("request", item.request), ("rephrased request", item.rephrased_request)):
        count = len(text.split())
        fault = ""
        if count > MAX_QUESTION_WORDS or count < MIN_QUESTION_WORDS:
            fault = f"has {count} words; {MIN_QUESTION_WORDS} to {MAX_QUESTION_WORDS} are wanted"
        elif not _SEEN.search(text):
            fault = "does not speak of the picture"
        if fault:
            yield Finding(
                check="request_form",
                reason=Reason.QUESTION_NOT_SOUND,
                probe_id=None,
                detail=f"the {name} {fault}",
                span=plain(text),
            )


def refers(item: KnowledgeItem) -> Iterator[Finding]:
    """Questions on the edit's pictures speak of them; those without a picture never do, nor of a text above.

    Questions on another picture may leave that out, as those of VQA and of MMKE-Bench's composites do.
    """
    for probe in item.probes:
        if probe.image_role in (ImageRole.EDIT, ImageRole.REPHRASE) and not _SEEN.search(probe.question):
            yield _about(probe, "refers", "the question comes with a picture and does not speak of it")
        found = _CONTEXT.search(probe.question)
        if found is None and probe.image_role is None:
            found = _REFERS.search(probe.question)
        if found:
            yield _about(
                probe, "refers", "the question speaks of something that is not given with it", found[0]
            )


def wordings_differ(item: KnowledgeItem) -> Iterator[Finding]:
    """No question nearly repeats another; T-Rel, I-Rel and I-Gen on the same fact are alike on purpose."""
    if tokens(item.request) == tokens(item.rephrased_request):
        yield Finding(
            check="wordings_differ",
            reason=Reason.NEAR_DUPLICATE_PROBE,
            probe_id=None,
            detail="the rephrased request is the request",
            span=plain(item.rephrased_request),
        )
    for first, second in _pairs(item.probes):
        ratio = alike(first.question, second.question, item)
        if ratio >= ALIKE:
            yield Finding(
                check="wordings_differ",
                reason=Reason.NEAR_DUPLICATE_PROBE,
                probe_id=second.probe_id,
                detail=f"the question nearly repeats that of {first.probe_id} ({ratio:.0f} of 100 alike)",
                span=plain(second.question),
            )


def _pairs(probes: Sequence[Probe]) -> Iterator[tuple[Probe, Probe]]:
    """Yield the pairs that must differ: two of a kind, and any two where one is no reliability question."""
    told_apart = (ProbeKind.PORT, *LOCALITY)
    for first, second in combinations(probes, 2):
        if first.kind is second.kind or first.kind in told_apart or second.kind in told_apart:
            yield first, second


def alike(first: str, second: str, item: KnowledgeItem) -> float:
    """Return how alike two questions are (0 to 100): rapidfuzz's token sort ratio without what all share.

    Left out: the subject's name, its type, words for the picture, small words. Two questions of which nothing
    is left are compared as they stand.
    """
    shared = set(tokens(bare_name(item.subject_name))) | set(tokens(item.fine_type)) | _SMALL
    shared |= set(tokens(item.user_name or ""))
    rests = [
        " ".join(sorted(word for word in tokens(text) if word not in shared)) for text in (first, second)
    ]
    if not all(rests):
        return fuzz.token_sort_ratio(" ".join(tokens(first)), " ".join(tokens(second)))
    return fuzz.ratio(*rests)


def unrelated(item: KnowledgeItem) -> Iterator[Finding]:
    """Locality is about something else: no name, changed value or picture of the edit occurs in it."""
    values = {tokens(value): value for value in _values(item) if _telling(value)}
    for probe in item.probes:
        if probe.kind not in LOCALITY:
            continue
        fault, span = _touched(item, probe, list(values.values()))
        if fault:
            yield Finding(
                check="unrelated",
                reason=Reason.LOCALITY_NOT_UNRELATED,
                probe_id=probe.probe_id,
                detail=fault,
                span=plain(span),
            )


def _values(item: KnowledgeItem) -> Iterator[str]:
    for probe in reliability(item):
        yield probe.answer
        if probe.original_answer:
            yield probe.original_answer


def _telling(value: str) -> bool:
    """Tell whether a value means one thing only, so that meeting it elsewhere is no accident."""
    words = tokens(value)
    return not all(word in _SMALL or re.fullmatch(r"\d{1,2}", word) for word in words)


def _touched(item: KnowledgeItem, probe: Probe, values: Sequence[str]) -> tuple[str, str]:
    shown = item.image(ImageRole.LOCALITY)
    if probe.kind is ProbeKind.I_LOC and shown is not None and shown.subject_id == item.subject_id:
        return "its picture shows the subject of the edit", ""
    asked = f"{probe.question} {probe.answer}"
    if name := _subject_in(asked, item):
        return "it speaks of the subject of the edit", name
    for value in values:
        if says(probe.question, value):
            return "the question holds a value of the edit", value
        if tokens(value) == tokens(probe.answer):
            return "the answer is a value of the edit", value
    return "", ""


def _subject_in(text: str, item: KnowledgeItem) -> str:
    """Return the whole name, or a telling part of it, where a text has it letter for letter."""
    name = bare_name(item.subject_name)
    if holds_run(tokens(text), tokens(name)) and named_in(text, item):
        return name
    return next((part for part in distinctive(name) if len(part) > 4 and part in tokens(text)), "")


def _about(probe: Probe, check: str, detail: str, span: str | None = None) -> Finding:
    return Finding(
        check=check,
        reason=Reason.QUESTION_NOT_SOUND,
        probe_id=probe.probe_id,
        detail=detail,
        span=plain(probe.question if span is None else span),
    )
