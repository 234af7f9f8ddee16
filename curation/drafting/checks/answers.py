"""Checks on answers: their form, where they stand, and what they change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.drafting.checks.finding import Finding, plain
from curation.drafting.checks.lists import lines
from curation.drafting.checks.naming import without_name
from curation.drafting.checks.texts import ABBREVIATED, RELIABILITY, reliability
from curation.drafting.checks.words import same, says, tokens
from curation.drafting.steps.schemas import MAX_ANSWER_WORDS
from curation.errors import Reason
from curation.records import EditType, ImageRole, KnowledgeItem, Probe, ProbeKind

_NO_ANSWER = frozenset(tokens(text) for text in lines("no_answer"))
_PART = r"[\w'-]+(?: [\w'-]+)?"
_LIST = re.compile(
    rf"[,;]\s*(?:and|or)\s+\S|\s(?:and|or)\s.*\s(?:and|or)\s|;\s*\S|\s/\s|^{_PART}, (?!the ){_PART} and ",
    re.IGNORECASE,
)
_STOP = re.compile(r"(\S+)\.[\"”’')]*\s+(?=[A-Z])")


def answer_form(item: KnowledgeItem) -> Iterator[Finding]:
    """Answers are short spans: no blanks or full stop at their ends, no sentence, no list, no 'unknown'."""
    for probe in item.probes:
        fault = _form_fault(probe.answer)
        if fault:
            yield _about(probe, "answer_form", Reason.SCHEMA_INVALID, f"the answer {fault}")


def _form_fault(answer: str) -> str:
    if answer != answer.strip():
        return "has a blank at an end"
    if not tokens(answer) and not re.search(r"\w", answer):
        return "holds no word"
    if answer.endswith((".", ",", ";", ":")) or any(
        not ABBREVIATED.match(m[1]) for m in _STOP.finditer(answer)
    ):
        return "is a sentence or ends in a stop"
    if tokens(answer) in _NO_ANSWER:
        return "says that there is none"
    if _is_list(answer):
        return "is a list; one value can be graded, a list only in parts"
    return ""


def _is_list(answer: str) -> bool:
    """Tell 'a, b, and c' and 'a, b' from 'Oslo, Norway', 'January 5, 1743' and 'Earth, Wind & Fire'."""
    if _LIST.search(answer) and "&" not in answer:
        return True
    parts = [part.strip() for part in re.split(r",(?!\d{3})", answer)]
    return len(parts) > 3 or (len(parts) > 1 and all(part.islower() and part.isascii() for part in parts))


def answer_length(item: KnowledgeItem) -> Iterator[Finding]:
    """An answer has at most twelve words; longer ones are copied in parts and graded by parts."""
    for probe in item.probes:
        count = len(probe.answer.split())
        if count > MAX_ANSWER_WORDS:
            yield _about(
                probe,
                "answer_length",
                Reason.TOO_LONG,
                f"the answer has {count} words, {MAX_ANSWER_WORDS} fit",
            )


def answer_in_question(item: KnowledgeItem) -> Iterator[Finding]:
    """No question gives its answer away, nor a request one of them; 'left or right?' may name its answer."""
    for probe in item.probes:
        offered = probe.image_role is ImageRole.ONE_HOP and " or " in probe.question
        if not offered and says(probe.question, probe.answer):
            yield _about(
                probe, "answer_in_question", Reason.ANSWER_IN_QUESTION, "the answer stands in its question"
            )

    for name, text in (("request", item.request), ("rephrased request", item.rephrased_request)):
        given = next((probe.answer for probe in reliability(item) if says(text, probe.answer)), None)
        if given is not None:
            yield Finding(
                check="answer_in_question",
                reason=Reason.ANSWER_IN_QUESTION,
                probe_id=None,
                detail=f"the {name} gives an edited value away",
                span=plain(given),
            )


def answer_in_edited_text(item: KnowledgeItem) -> Iterator[Finding]:
    """The answer to a reliability question is a span of the edited text."""
    for probe in reliability(item):
        if not says(item.edited_text, probe.answer):
            yield _about(
                probe,
                "answer_in_edited_text",
                Reason.ANSWER_NOT_IN_EDITED_TEXT,
                "the answer is no span of the edited text",
            )


def answer_not_in_original(item: KnowledgeItem) -> Iterator[Finding]:
    """The answer to a reliability question cannot be read off the original text."""
    for probe in reliability(item):
        if says(item.original_text, probe.answer):
            yield _about(
                probe,
                "answer_not_in_original",
                Reason.ANSWER_IN_ORIGINAL_TEXT,
                "the answer stands in the original text too",
            )


def answers_differ(item: KnowledgeItem) -> Iterator[Finding]:
    """The two questions of a kind have different answers, or one thing is measured twice."""
    for kind in RELIABILITY:
        asked = item.probes_of(kind)
        for place, probe in enumerate(asked):
            twin = next((one for one in asked[:place] if same(one.answer, probe.answer)), None)
            if twin is not None:
                yield _about(
                    probe,
                    "answers_differ",
                    Reason.SAME_RELIABILITY_ANSWER,
                    f"the answer is also that of {twin.probe_id}",
                )


def original_answer_known(item: KnowledgeItem) -> Iterator[Finding]:
    """What a changed fact was before stands in the original text."""
    for probe in _changed(item):
        before = probe.original_answer
        if before is not None and not says(item.original_text, before):
            yield Finding(
                check="original_answer_known",
                reason=Reason.ORIGINAL_ANSWER_NOT_IN_TEXT,
                probe_id=probe.probe_id,
                detail="the answer before the edit is no span of the original text",
                span=plain(before),
            )


def counterfactual(item: KnowledgeItem) -> Iterator[Finding]:
    """Entity and semantic edits change something: the text, and each value that is asked for."""
    if item.edit_type is not EditType.USER_SPECIFIC and tokens(item.edited_text) == tokens(
        item.original_text
    ):
        yield Finding(
            check="counterfactual",
            reason=Reason.NOT_COUNTERFACTUAL,
            probe_id=None,
            detail="the edited text is the original text",
        )
    for probe in _changed(item):
        before = probe.original_answer
        if before is None or same(before, probe.answer):
            what = "what held before is not known" if before is None else "the answer is what held before"
            yield _about(probe, "counterfactual", Reason.NOT_COUNTERFACTUAL, what)


def coherent(item: KnowledgeItem) -> Iterator[Finding]:
    """An edited text does not say the old value beside the new one."""
    # 'The temple in the image' calls the type what it is, whatever the kind was changed to.
    rest = without_name(item.edited_text.replace(f"The {item.fine_type} in the image", ""), item)
    seen = set()
    for probe in _changed(item):
        before = probe.original_answer or ""
        number = re.fullmatch(r"\d{1,2}", " ".join(tokens(before)))
        if tokens(before) in seen or number or same(before, probe.answer) or says(probe.answer, before):
            continue
        seen.add(tokens(before))
        if says(rest, before):
            yield Finding(
                check="coherent",
                reason=Reason.EDIT_NOT_COHERENT,
                probe_id=None,
                detail="the edited text still says what held before the edit",
                span=plain(before),
            )


def _changed(item: KnowledgeItem) -> Iterator[Probe]:
    """Yield the reliability questions whose answer replaces something; a user's replace nothing."""
    return (probe for probe in reliability(item) if item.edit_type is not EditType.USER_SPECIFIC)


def hop(item: KnowledgeItem) -> Iterator[Finding]:
    """Portability takes one hop beyond the edit: no text or question gives its answer or the bridge away."""
    edited = sorted({probe.answer for probe in reliability(item)})
    for probe in item.probes_of(ProbeKind.PORT):
        fault = _hop_fault(item, probe, edited)
        if fault:
            yield _about(probe, "hop", Reason.NOT_ONE_HOP, fault)


def _hop_fault(item: KnowledgeItem, probe: Probe, edited: list[str]) -> str:
    if probe.hop != 1:
        return f"it declares {probe.hop} hops, not one"
    if probe.original_answer is not None and same(probe.original_answer, probe.answer):
        return "the answer is the same without the edit"
    if item.edit_type is not EditType.VISUAL_ENTITY:
        return ""
    for text, where in ((item.edited_text, "edited"), (item.original_text, "original")):
        if says(text, probe.answer):
            return f"the answer can be read off the {where} text"
    given = next((value for value in edited if says(probe.question, value)), None)
    return f"the question gives the edited value '{plain(given)}' away" if given else ""


def _about(probe: Probe, check: str, reason: Reason, detail: str) -> Finding:
    return Finding(
        check=check, reason=reason, probe_id=probe.probe_id, detail=detail, span=plain(probe.answer)
    )
