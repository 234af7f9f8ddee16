"""The judge flags, twice the same way or not at all; how it agrees with people is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from curation.drafting.endpoint.openai_model import OpenAIModel
from curation.drafting.judges.judging import (
    Judgement,
    JudgeVerdict,
    agreement_with_people,
    judge_item,
    of_the_item,
)
from curation.drafting.llm import LlmRequest, LlmResponse, read_response
from curation.drafting.steps.asking import Asking, DraftSettings
from curation.drafting.steps.prompting import read_block
from curation.errors import PrerequisiteError, Reason
from curation.ids import canonical_json
from curation.records import KnowledgeItem, Verdict, VerdictState
from flows.drafting.examine import examiner
from flows.settings import DraftingSettings
from tests.drafts import body
from tests.labelled_drafts import item_of, rows
from tests.llm_asks import APIS, model, settings
from tests.llm_replies import Asked, Reply
from tests.llm_server import LlmServer
from tests.samples import accepted

ITEM = item_of(rows("good")[0])
SETTINGS = DraftSettings("writer-1", "llm", is_llm=True)
Rows = list[dict[str, str]]


class Judge:
    """A model that chooses from the menu by a function of (step, menu)."""

    def __init__(self, choose: Callable[[str, Rows], str]) -> None:
        self.choose = choose
        self.asked: list[LlmRequest] = []

    async def complete(self, request: LlmRequest) -> LlmResponse:
        self.asked.append(request)
        menu = cast(Rows, read_block(request.messages[1].text)["options"])
        said = self.choose(request.prompt_id, menu)
        return read_response(canonical_json(body(said if " " in said else json.dumps({"choice": said}))))


def letter(menu: Rows, words: str) -> str:
    return next(row["letter"] for row in menu if words in row["says"])


def judged(choose: Callable[[str, Rows], str], item: KnowledgeItem = ITEM) -> list[Judgement]:
    return asyncio.run(judge_item(item, Asking(Judge(choose), SETTINGS), "judge-1"))


def test_a_choice_in_both_orders_counts() -> None:
    def choose(step: str, menu: Rows) -> str:
        return letter(menu, "contradicts" if step.startswith("judge_edit") else "every question")

    edit, questions = judged(choose)
    assert (edit.verdict, edit.reason) == (JudgeVerdict.FLAGGED, Reason.EDIT_NOT_COHERENT)
    assert (questions.verdict, questions.reason) == (JudgeVerdict.SOUND, None)
    assert of_the_item([edit, questions]) is JudgeVerdict.FLAGGED


@pytest.mark.parametrize("said", ["A", "Z", "AB", "no json here", "{} {}", "1"])
def test_a_place_on_the_menu_and_what_is_off_it_are_unscored_and_never_pass(said: str) -> None:
    found = judged(lambda _step, _menu: said)
    assert {one.verdict for one in found} == {JudgeVerdict.UNSCORED}
    assert of_the_item(found) is JudgeVerdict.UNSCORED


def test_both_orders_of_the_menu_are_asked_of_the_judge_and_not_of_the_writer() -> None:
    judge = Judge(lambda _step, menu: letter(menu, "every" if "every" in str(menu) else "well made"))
    asyncio.run(judge_item(ITEM, Asking(judge, SETTINGS), "judge-1"))
    assert {request.model for request in judge.asked} == {"judge-1"}
    menus = [read_block(request.messages[1].text)["options"] for request in judge.asked]
    assert len(menus) == 4
    texts = [[row["says"] for row in cast(Rows, menu)] for menu in menus]
    assert sorted(texts[0]) == sorted(texts[1])
    assert texts[0] == texts[1][::-1]


@pytest.mark.parametrize(
    "name", ["writer-1", "Writer-1", "org/writer-1", "writer-1-2026-08-07", "writer-1-latest"]
)
def test_a_writer_does_not_judge_itself(name: str) -> None:
    with pytest.raises(PrerequisiteError, match="judge_model"):
        asyncio.run(judge_item(ITEM, Asking(Judge(lambda *_: "A"), SETTINGS), name))


def test_a_model_that_wrote_an_earlier_step_is_no_judge_either() -> None:
    wrote = ITEM.provenance[0].model_copy(update={"model": "judge-1-2026-01-02", "is_llm": True})
    item = ITEM.model_copy(update={"provenance": (wrote,)})
    with pytest.raises(PrerequisiteError):
        judged(lambda *_: "A", item)


def _votes(pairs: list[tuple[bool, JudgeVerdict]]) -> tuple[list[Judgement], list[Verdict]]:
    judgements, verdicts = [], []
    for number, (good, verdict) in enumerate(pairs):
        item = ITEM.model_copy(update={"item_id": f"item-{number}"})
        verdicts.append(accepted(item, VerdictState.APPROVED if good else VerdictState.REJECTED))
        judgements.append(
            Judgement(
                item_id=item.item_id,
                task_key=item.task_key,
                matter="judge_edit",
                judge="judge-1",
                verdict=verdict,
                reason=None,
                choices=(None, None),
            )
        )
    return judgements, verdicts


S, F, U = JudgeVerdict.SOUND, JudgeVerdict.FLAGGED, JudgeVerdict.UNSCORED


def test_agreement_is_cohens_kappa_with_its_table() -> None:
    # Cohen's textbook case: 20 and 15 agreed, 5 and 10 not: observed 0.7, by chance 0.5.
    pairs = [(True, S)] * 20 + [(True, F)] * 5 + [(False, S)] * 10 + [(False, F)] * 15 + [(True, U)] * 3
    [found] = agreement_with_people(*_votes(pairs))
    assert (found.table, found.items, found.unscored) == (((20, 5), (10, 15)), 50, 3)
    assert found.kappa == pytest.approx(0.4)
    assert not found.is_fit
    assert "do not use" in found.said


@pytest.mark.parametrize(
    ("pairs", "fit", "said"),
    [
        ([(True, S)] * 15 + [(False, F)] * 15, True, "kappa 1.00"),
        ([(True, S)] * 5 + [(False, F)] * 5, False, "too few"),
        ([(True, S)] * 40, False, "undefined"),
        ([(True, U)] * 40, False, "too few"),
    ],
)
def test_a_judge_is_fit_only_when_that_can_be_told(pairs: list[Any], fit: bool, said: str) -> None:
    [found] = agreement_with_people(*_votes(pairs))
    assert (found.is_fit, said in found.said) == (fit, True)


def test_a_judgement_on_another_revision_counts_for_nothing() -> None:
    judgements, verdicts = _votes([(True, S)] * 30)
    old = [one.model_copy(update={"task_key": "item-0:other"}) for one in judgements]
    assert agreement_with_people(old, verdicts) == []


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Reply(json.dumps({"choice": "A"})), JudgeVerdict.UNSCORED),
        (Reply(json.dumps({"choice": "sound"})), JudgeVerdict.UNSCORED),
        (Reply("It looks fine to me: A."), JudgeVerdict.UNSCORED),
        (Reply(refusal="I cannot judge this."), JudgeVerdict.UNSCORED),
        (Reply('{"choice": "', finish="length"), JudgeVerdict.UNSCORED),
        (Reply(empty=True), JudgeVerdict.UNSCORED),
        (None, JudgeVerdict.SOUND),
    ],
)
def test_over_http_only_a_choice_made_twice_is_scored(
    api: str, reply: Reply | None, verdict: JudgeVerdict
) -> None:
    def sound(asked: Asked) -> Reply:
        block = next(read_block(text) for role, text in asked.texts if role == "user")
        menu = cast(Rows, block["options"])
        words = "well made" if "well made" in str(menu) else "asks for its answer"
        return Reply(json.dumps({"choice": letter(menu, words)}))

    async def judge(one: OpenAIModel) -> list[Judgement]:
        try:
            return await judge_item(ITEM, Asking(one, SETTINGS), "judge-1")
        finally:
            await one.aclose()

    with LlmServer(sound if reply is None else lambda _: reply) as server:
        found = asyncio.run(judge(model(server, settings(api))))
    assert {one.verdict for one in found} == {verdict}
    assert {body["model"] for body in server.bodies} == {"judge-1"}


def test_an_examiner_flags_and_rejects_nothing_on_a_judges_word() -> None:
    judge = Judge(lambda _step, menu: letter(menu, menu[1]["says"] if len(menu) == 3 else "understood"))
    examine = examiner(DraftingSettings(judge_model="judge-1"))
    assert examine is not None
    findings, kept = asyncio.run(examine(ITEM, Asking(judge, SETTINGS)))
    assert list(findings) == []
    assert {cast(Judgement, record).verdict for _, record in kept} == {JudgeVerdict.FLAGGED}
    assert len({key for key, _ in kept}) == 2


def test_nothing_asked_for_is_no_examiner() -> None:
    assert examiner(DraftingSettings()) is None
