"""A second model flags doubtful items for people, who decide; what it says twice the same way counts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from curation.drafting.checks.texts import LOCALITY
from curation.drafting.mining.phrases import bare_name
from curation.drafting.steps.asking import Answered, Asking, ask
from curation.drafting.steps.prompting import Value
from curation.drafting.steps.schemas import Choice
from curation.errors import PrerequisiteError, Reason
from curation.records import EditType, KnowledgeItem, ProbeKind, Record, Verdict, VerdictState

KAPPA_AT_LEAST = 0.6
"""Below, a judge is not used: Landis and Koch (1977) call agreement substantial from here on."""
ITEMS_AT_LEAST = 20
"""Kappa over fewer items says nothing."""

SOUND = "sound"
_LETTERS = "ABCDEFGH"
# What a judge may choose, by step: the choice, how the menu words it, and the reason that it stands for.
_MENUS: dict[str, dict[str, tuple[str, Reason | None]]] = {
    "judge_edit": {
        SOUND: ("the edit is well made", None),
        "not_changed": ("a listed fact is not really changed or new", Reason.NOT_COUNTERFACTUAL),
        "not_coherent": ("the edited text contradicts itself", Reason.EDIT_NOT_COHERENT),
    },
    "judge_questions": {
        SOUND: ("every question asks for its answer", None),
        "wrong_answer": ("an expected answer is wrong, or not the only one", Reason.QUESTION_NOT_SOUND),
        "unclear": ("a question cannot be understood, or in two ways", Reason.QUESTION_NOT_SOUND),
        "not_independent": ("a question of kind other depends on the edit", Reason.LOCALITY_NOT_UNRELATED),
    },
}


class JudgeVerdict(StrEnum):
    """What a judge comes to; unscored is neither good nor bad."""

    SOUND = "sound"
    FLAGGED = "flagged"
    UNSCORED = "unscored"


class Judgement(Record):
    """What a judge says of one item on one matter, asked with the menu in both orders.

    choices: what it chose with the menu as it is and turned round; None for an answer that cannot be read or
    is not on the menu. reason: what a flag stands for.
    """

    item_id: str
    task_key: str
    matter: str
    judge: str
    verdict: JudgeVerdict
    reason: Reason | None
    choices: tuple[str | None, str | None]


class JudgeAgreement(Record):
    """How a judge agrees with people on whole items.

    items: judged by both. unscored: judged by people alone, since the judge came to nothing. table: people's
    acceptance in rows (accepted, not), the judge's in columns. kappa: Cohen's, None where undefined.
    said: one sentence for the report.
    """

    judge: str
    items: int
    unscored: int
    table: tuple[tuple[int, int], tuple[int, int]]
    kappa: float | None
    is_fit: bool
    said: str


async def judge_item(item: KnowledgeItem, asking: Asking, judge: str) -> list[Judgement]:
    """Return what a judge says of an item, one judgement a matter.

    judge: the name of a model at the endpoint of `asking`. Raises PrerequisiteError when the item was written
    by the same model: a judge favours its own writing.
    """
    _refuse_own_writing(item, judge, asking.settings.model)
    at_judge = replace(asking, settings=replace(asking.settings, model=judge))
    asked = [
        _choice(item, step, at_judge, order)
        for step in _MENUS
        for order in (list(_MENUS[step]), list(reversed(_MENUS[step])))
    ]
    choices = await asyncio.gather(*asked)
    return [
        _judgement(item, step, judge, (choices[2 * place], choices[2 * place + 1]))
        for place, step in enumerate(_MENUS)
    ]


def _refuse_own_writing(item: KnowledgeItem, judge: str, drafter: str) -> None:
    """Raise PrerequisiteError when a judge is one of the models that wrote an item, in whatever release."""
    writers = {drafter, *(one.model for one in item.provenance if one.is_llm)}
    if _family(judge) in {_family(name) for name in writers}:
        raise PrerequisiteError(
            f"{judge} drafts and cannot judge its own drafts; set judge_model in [draft] to another model"
        )


def _family(model: str) -> str:
    """Return a model's name without the provider before it and the date or 'latest' after it."""
    name = model.lower().rsplit("/", 1)[-1]
    return re.sub(r"[-@:](?:latest|\d{4}-?\d{2}-?\d{2}|\d{4,8})$", "", name)


async def _choice(item: KnowledgeItem, step: str, asking: Asking, order: Sequence[str]) -> str | None:
    menu = dict(zip(_LETTERS, order, strict=False))
    options = [{"letter": letter, "says": _MENUS[step][choice][0]} for letter, choice in menu.items()]
    answered = await ask(item, step, {**_values(item), "options": options}, asking)
    if isinstance(answered, Answered) and isinstance(answered.draft, Choice):
        return menu.get(answered.draft.choice.upper())
    return None


def _values(item: KnowledgeItem) -> Mapping[str, Value]:
    added = item.edit_type is EditType.USER_SPECIFIC
    facts = {probe.answer: probe.original_answer or "" for probe in item.probes_of(ProbeKind.T_REL)}
    kinds = {ProbeKind.PORT: "hop", **dict.fromkeys(LOCALITY, "other")}
    return {
        "name": bare_name(item.subject_name),
        "edit_kind": "facts are added" if added else "facts are changed",
        "original_text": item.original_text,
        "edited_text": item.edited_text,
        "changes": [{"original": before, "edited": after} for after, before in facts.items()],
        "questions": [
            {
                "number": str(number),
                "kind": kinds.get(probe.kind, "edit"),
                "question": probe.question,
                "answer": probe.answer,
            }
            for number, probe in enumerate(item.probes, start=1)
        ],
    }


def _judgement(
    item: KnowledgeItem, step: str, judge: str, choices: tuple[str | None, str | None]
) -> Judgement:
    verdict, reason = JudgeVerdict.UNSCORED, None
    if choices[0] is not None and choices[0] == choices[1]:
        reason = _MENUS[step][choices[0]][1]
        verdict = JudgeVerdict.SOUND if reason is None else JudgeVerdict.FLAGGED
    return Judgement(
        item_id=item.item_id,
        task_key=item.task_key,
        matter=step,
        judge=judge,
        verdict=verdict,
        reason=reason,
        choices=choices,
    )


def of_the_item(judgements: Iterable[Judgement]) -> JudgeVerdict:
    """Return what the judgements on one item come to: a flag counts, and nothing unscored passes."""
    found = {one.verdict for one in judgements}
    if JudgeVerdict.FLAGGED in found:
        return JudgeVerdict.FLAGGED
    return JudgeVerdict.SOUND if found == {JudgeVerdict.SOUND} else JudgeVerdict.UNSCORED


def agreement_with_people(
    judgements: Sequence[Judgement],
    verdicts: Sequence[Verdict],
    *,
    kappa_at_least: float = KAPPA_AT_LEAST,
    items_at_least: int = ITEMS_AT_LEAST,
) -> list[JudgeAgreement]:
    """Return how each judge agrees with people, over the same revisions of items, by the judge's name.

    People accept an item as it is (APPROVED) or not (FIXED, REJECTED); disputed ones are left out. The last
    judgement of a judge on an item and a matter counts.
    """
    people = {
        one.task_key: one.state is VerdictState.APPROVED
        for one in verdicts
        if one.state is not VerdictState.DISPUTED
    }
    latest = {(one.judge, one.task_key, one.matter): one for one in judgements if one.task_key in people}
    found = []
    for judge in sorted({one.judge for one in latest.values()}):
        by_item: dict[str, list[Judgement]] = {}
        for one in latest.values():
            if one.judge == judge:
                by_item.setdefault(one.task_key, []).append(one)
        said = {key: of_the_item(rows) for key, rows in sorted(by_item.items())}
        pairs = [
            (people[key], verdict is JudgeVerdict.SOUND)
            for key, verdict in said.items()
            if verdict is not JudgeVerdict.UNSCORED
        ]
        found.append(_agreement(judge, pairs, len(said) - len(pairs), kappa_at_least, items_at_least))
    return found


def _agreement(
    judge: str, pairs: Sequence[tuple[bool, bool]], unscored: int, kappa_at_least: float, items_at_least: int
) -> JudgeAgreement:
    kappa = _kappa(pairs)
    counts = [
        [sum(pair == (row, column) for pair in pairs) for column in (True, False)] for row in (True, False)
    ]
    if len(pairs) < items_at_least:
        fit, said = False, f"{len(pairs)} items judged by both are too few; {items_at_least} are wanted"
    elif kappa is None:
        fit, said = False, "people or the judge said the same of every item, so that agreement is undefined"
    elif kappa < kappa_at_least:
        fit, said = False, f"kappa {kappa:.2f} is under {kappa_at_least:.2f}: do not use this judge"
    else:
        fit, said = True, f"kappa {kappa:.2f} over {len(pairs)} items"
    return JudgeAgreement(
        judge=judge,
        items=len(pairs),
        unscored=unscored,
        table=((counts[0][0], counts[0][1]), (counts[1][0], counts[1][1])),
        kappa=kappa,
        is_fit=fit,
        said=said,
    )


def _kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Return Cohen's kappa (1960); None where people or the judge said the same of every item."""
    if any(len({pair[side] for pair in pairs}) < 2 for side in (0, 1)):
        return None
    from sklearn.metrics import cohen_kappa_score  # it takes a second

    return float(cohen_kappa_score([people for people, _ in pairs], [judge for _, judge in pairs]))
