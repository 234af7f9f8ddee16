"""Tests of what a run is said to cost before it begins."""

from __future__ import annotations

import asyncio
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from curation.drafting.llm import AnswerNote, LlmRequest, Message
from curation.drafting.money.estimate import (
    DEFAULT_TOKENS,
    Estimate,
    KeptAnswers,
    NotKeptError,
    confirm_text,
    estimate,
    step_statistics,
    steps_of,
    still_to_ask,
)
from curation.drafting.money.prices import load_prices
from curation.drafting.steps.prompting import prompt_ids
from curation.errors import PrerequisiteError
from curation.records import EditType, Usage
from warehouse.artefacts import Artefacts, Responses

TODAY = date(2026, 11, 24)


def note(tokens_in: int, tokens_out: int, seconds: float | None = 2.0, model: str = "m") -> AnswerNote:
    usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out)
    return AnswerNote(
        answer="a" * 64, at="2026", model=model, prompt_id="locality.v1", usage=usage, seconds=seconds
    )


def of(questions: dict[str, int], **changed: Any) -> Estimate:
    values: dict[str, Any] = {
        "model": "m",
        "prices": load_prices("1,2"),
        "statistics": {},
        "in_flight": 4,
        "max_output_tokens": 1_000,
        "drafts": 1,
        "today": TODAY,
    }
    return estimate(questions, 0, **(values | changed))


def test_kept_answers_of_the_same_model_and_step_are_the_base() -> None:
    statistics = step_statistics([note(100, 10), note(300, 30, None), note(9_000, 9_000, model="other")], "m")
    found = of({"locality": 10}, statistics=statistics)
    assert (found.input_tokens, found.output_tokens, found.measured) == (2_000, 200, 10)
    assert found.expected == Decimal("0.0024") and found.seconds == 5.0


def test_documented_counts_serve_where_nothing_is_kept() -> None:
    found = of({"questions_user_specific": 2, "locality": 0})
    assert (found.input_tokens, found.output_tokens) == tuple(2 * n for n in DEFAULT_TOKENS["questions"])
    assert found.measured == 0 and "documented token counts" in confirm_text(found)


def test_an_answer_without_usage_is_no_base() -> None:
    assert step_statistics([note(0, 0)], "m") == {}


def test_the_worst_is_never_below_the_expected_and_grows_with_redrafts() -> None:
    once, often = of({"locality": 5}), of({"locality": 5}, drafts=3)
    assert once.expected < once.worst and often.worst == 3 * once.worst


def test_the_batch_price_and_time_are_the_batch_s() -> None:
    plain = of({"locality": 5}, model="gpt-5-mini", prices=load_prices())
    batch = of({"locality": 5}, model="gpt-5-mini", prices=load_prices(), in_batch=True)
    assert batch.expected * 2 == plain.expected and "24 hours" in confirm_text(batch)


def test_an_unknown_price_is_refused_before_the_run() -> None:
    with pytest.raises(PrerequisiteError, match="--price IN,OUT"):
        of({"locality": 1}, prices=load_prices(), model="unheard-of")


def test_a_person_is_told_numbers_cap_and_age_of_the_price() -> None:
    text = confirm_text(
        of({"locality": 1_500}, cap=Decimal(20), spent=Decimal("1.5"), prices=load_prices(), model="gpt-4o")
    )
    assert "1,500 questions to gpt-4o" in text and "it stops at $20.00, of which $1.50 are spent" in text
    assert "days ago" in text
    assert "--budget" in confirm_text(of({"locality": 1}))


def test_questions_are_told_by_kind_of_step_in_their_order() -> None:
    asked = {"locality": 2, "questions_user_specific": 1, "questions_visual_entity": 3, "judge_edit": 4}
    assert "10 questions to m: 4 questions, 2 locality, 4 judge" in confirm_text(of(asked))


def test_what_a_judge_costs_is_told_beside_it() -> None:
    judge = of({"judge_edit": 2, "judge_questions": 2}, model="gpt-4.1-mini", prices=load_prices())
    text = confirm_text(of({"locality": 1}, prices=load_prices("0,0")), judge)
    assert "4 questions to gpt-4.1-mini: 4 judge" in text and "--budget" in text
    assert text.count("at the very most") == 2


def test_nothing_to_ask_is_said_plainly() -> None:
    found = of({})
    assert found.expected == found.worst == 0 and "0 questions to m" in confirm_text(found)


@pytest.mark.parametrize("edit_type", list(EditType))
def test_every_step_is_a_prompt_that_there_is(edit_type: EditType) -> None:
    assert set(steps_of(edit_type)) <= {prompt_id.rpartition(".v")[0] for prompt_id in prompt_ids()}
    assert all(any(step.startswith(name) for name in DEFAULT_TOKENS) for step in steps_of(edit_type))


@pytest.mark.parametrize("edit_type", list(EditType))
def test_what_is_left_of_an_item_begins_with_its_first_missing_answer(edit_type: EditType) -> None:
    assert still_to_ask(edit_type, "original_knowledge") == steps_of(edit_type)
    assert still_to_ask(edit_type, "judge_edit") == ("judge_edit",)


def test_kept_answers_are_counted_and_the_first_missing_one_is_named(tmp_path: Path) -> None:
    request = LlmRequest("locality.v1", "0" * 64, (Message("user", "a"),), "m", {}, "S", {})
    raw = b'{"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}]}'

    async def run() -> KeptAnswers:
        store = Responses(Artefacts(tmp_path))
        view = KeptAnswers(store)
        with pytest.raises(NotKeptError) as missing:
            await view.complete(request)
        assert missing.value.step == "locality" and view.kept == 0
        kept = note(1, 1).model_copy(update={"answer": store._artefacts.put(raw)})
        await store.put(request.request_sha256, raw, kept)
        assert (await view.complete(request)).text == "{}"
        return view

    assert asyncio.run(run()).kept == 1
