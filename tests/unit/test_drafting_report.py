"""Tests of the counts behind the drafting page."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from curation.drafting.calls import AnswerOutcome
from curation.drafting.report import DraftReport, Standing, Ways, draft_report
from curation.errors import Reason
from curation.records import EditType, Outcome
from tests.unit.draft_reports import CHECKS, LEAK, PROMPTS, call, counted, draft


def kept(number: int, category: str = "building") -> Standing:
    return Standing(f"subject-{number}", category, Outcome.KEPT)


def out(number: int, reason: str) -> Standing:
    return Standing(f"subject-{number}", "building", Outcome.REJECTED, reason)


def test_kept_items_came_at_first_after_a_repair_or_after_a_redraft() -> None:
    drafts = [draft(1), draft(2), draft(3, 0, LEAK), draft(3, 1)]
    calls = [call(2, prompt=PROMPTS[1], is_repair=True), call(1)]
    waiting = Standing("subject-5", "building", Outcome.PENDING)
    stand = [kept(1), kept(2), kept(3), out(4, "refused"), waiting]
    found = draft_report(counted(3, 1, refused=1), stand, drafts, calls, CHECKS)
    assert found.ways == (Ways("building", first=1, repaired=1, redrafted=1, rejected=1, pending=1),)


@given(st.lists(st.tuples(st.sampled_from(list(Outcome)), st.sampled_from("abc")), max_size=30))
def test_every_subject_is_counted_once(places: list[tuple[Outcome, str]]) -> None:
    stand = [Standing(f"s{number}", category, state) for number, (state, category) in enumerate(places)]
    found = draft_report(counted(), stand, [], [], CHECKS)
    assert {row.category: row.incoming for row in found.ways} == dict(Counter(one for _, one in places))


def test_a_check_is_counted_over_drafts_that_came_to_an_item() -> None:
    ended = draft(3, item=None, reason=Reason.REFUSED, detail="questions: no", provenance=())
    found = draft_report(counted(), [], [draft(1), draft(2, 0, LEAK, LEAK), ended], [], CHECKS)
    assert [(row.check, row.drafts, row.failed) for row in found.checks] == [
        ("hostile", 2, 0),
        ("too_long", 2, 0),
        ("leaks", 2, 1),
    ]
    (row,) = found.by_category
    assert (row.drafts, row.whole, row.passed, row.failed) == (3, 2, 1, {"leaks": 1})


def test_a_check_that_is_no_longer_made_is_still_told() -> None:
    old = LEAK.model_copy(update={"check": "older"})
    assert draft_report(counted(), [], [draft(1, 0, old)], [], CHECKS).checks[-1].check == "older"


def test_groups_are_told_apart_by_type_and_prompt_version() -> None:
    other = draft(2, edit_type=EditType.USER_SPECIFIC, category="pet", provenance=draft(2).provenance[:1])
    found = draft_report(counted(), [], [draft(1, 0, LEAK), other], [], CHECKS)
    assert [(row.name, row.drafts, row.passed) for row in found.by_type] == [
        ("user_specific", 1, 1),
        ("visual_entity", 1, 0),
    ]
    assert [(row.name, row.drafts) for row in found.by_prompt] == [(PROMPTS[0], 2), (PROMPTS[1], 1)]


def test_cost_tokens_and_times_by_step_and_model() -> None:
    calls = [call(number, seconds=float(number)) for number in range(1, 101)]
    calls.append(call(101, cost=None, seconds=None, outcome=AnswerOutcome.REFUSAL))
    calls.append(call(102, prompt=PROMPTS[1], model="other", is_repair=True))
    first, second = draft_report(counted(), [], [], calls, CHECKS).costs
    assert (first.step, first.questions, first.cost, first.unpriced) == (
        "original_knowledge",
        101,
        Decimal("1.00"),
        1,
    )
    assert (first.median, first.slowest, first.input_tokens) == (50.5, 95.0, 10_100)
    assert first.outcomes == {AnswerOutcome.OK: 100, AnswerOutcome.REFUSAL: 1}
    assert (second.model, second.repairs) == ("other", 1)


def test_every_outcome_is_told_even_when_there_was_none() -> None:
    assert draft_report(counted(), [], [], [], CHECKS).outcomes == dict.fromkeys(AnswerOutcome, 0)


def test_a_reason_shows_three_examples_with_question_span_and_raw_answers() -> None:
    drafts = [draft(number, 0, LEAK) for number in range(9, 0, -1)]
    (row,) = draft_report(counted(), [out(1, "name_leaked")], drafts, [], CHECKS).reasons
    assert (row.reason, row.drafts, row.subjects, len(row.examples)) == ("name_leaked", 9, 1, 3)
    example = row.examples[0]
    assert example.item_id == "item-1" and example.question == "Which country is it in?"
    assert example.span == "Norway" and [prompt for prompt, _ in example.answers] == list(PROMPTS)


def test_a_draft_that_ended_at_a_step_is_an_example_of_its_reason() -> None:
    ended = draft(3, item=None, reason=Reason.REFUSED, detail="questions: no", provenance=())
    (row,) = draft_report(counted(), [], [ended], [], CHECKS).reasons
    assert row.reason == "refused" and row.examples[0].detail == "questions: no"


def test_a_subject_that_was_rejected_before_any_draft_is_told_too() -> None:
    (row,) = draft_report(counted(no_stand_in=1), [out(1, "no_stand_in")], [], [], CHECKS).reasons
    assert (row.reason, row.drafts, row.subjects, row.examples) == ("no_stand_in", 0, 1, ())


def test_the_order_of_what_comes_in_does_not_matter() -> None:
    drafts = [draft(1), draft(2, 0, LEAK), draft(2, 1)]
    calls, stand = [call(1), call(2), call(2, 1)], [kept(1), kept(2)]

    def found(step: int) -> DraftReport:
        return draft_report(counted(2), stand[::step], drafts[::step], calls[::step], CHECKS)

    assert found(1) == found(-1)
