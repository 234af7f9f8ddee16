"""Tests of what was spent, as the notes beside the answers tell it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from curation.drafting.llm import AnswerNote
from curation.drafting.money.budget import Money
from curation.drafting.money.spending import (
    Entry,
    duration,
    ledger_rows,
    live_line,
    spend_rows,
    spending,
    twice_lines,
)
from curation.records import Usage
from warehouse.artefacts import Artefacts, Responses

ZERO = Decimal(0)


def note(cost: str | None = "0.10", *, day: str = "2026-11-24", step: str = "locality.v1") -> AnswerNote:
    return AnswerNote(
        answer="a" * 64,
        at=f"{day}T10:00:00+00:00",
        model="m",
        prompt_id=step,
        usage=Usage(input_tokens=10, output_tokens=5),
        cost=None if cost is None else Decimal(cost),
    )


def test_sums_by_day_model_and_step_are_exact() -> None:
    found = spending(
        [("b", note(), []), ("a", note(), [Decimal(1)]), ("c", note("0.2", day="2026-11-23"), ())]
    )
    assert [(row.day, row.answers, row.cost) for row in found.rows] == [
        ("2026-11-23", 1, Decimal("0.2")),
        ("2026-11-24", 2, Decimal("0.20")),
    ]
    assert found.spent.cost == Decimal("0.4") and found.spent.tokens == 45 and not found.twice


def test_tries_that_brought_no_answer_count_at_their_worst_and_are_listed() -> None:
    tries = [Decimal("0.5"), Decimal("0.6"), Decimal("0.7")]
    found = spending([("answered", note("0.1"), tries), ("open", None, tries[:1]), ("never", None, [])])
    assert [(one.request_sha256, one.tries, one.cost, one.is_answered) for one in found.twice] == [
        ("answered", 2, Decimal("1.1"), True),
        ("open", 1, Decimal("0.5"), False),
    ]
    assert found.spent.cost == Decimal("1.7")


def test_what_waits_in_a_batch_is_held_and_not_lost() -> None:
    tries = [Decimal("0.5"), Decimal("0.6")]
    found = spending([("waits", None, tries), ("lost", None, tries[:1])], {"waits"})
    assert [(one.request_sha256, one.cost) for one in found.twice] == [
        ("lost", Decimal("0.5")),
        ("waits", Decimal("0.5")),
    ]
    assert found.spent.cost == Decimal("1.6")
    assert "in a batch" in [row[0] for row in spend_rows(found)[1]]


def test_the_ledger_of_a_real_store(tmp_path: Path) -> None:
    async def fill() -> Responses:
        store = Responses(Artefacts(tmp_path))
        data = b'{"choices": []}'
        kept = store._artefacts.put(data)
        await store.mark_sent("1" * 64, Decimal("0.3"))
        await store.mark_sent("2" * 64, Decimal("0.4"))
        await store.put("2" * 64, data, note("0.25").model_copy(update={"answer": kept}))
        return store

    found = spending(asyncio.run(fill()).all())
    assert found.spent.cost == Decimal("0.55") and len(found.twice) == 1


def test_the_whole_table_ends_with_the_sum_and_tells_what_has_no_price() -> None:
    headings, rows = ledger_rows(spending([("a", note(), []), ("b", note(None), []), ("c", None, [ZERO])]))
    assert all(len(row) == len(headings) for row in rows)
    assert rows[0][0] == "unanswered" and rows[-1][:4] == ["all", "", "", "2"]
    assert rows[-1][-2:] == ["$0.10 + 1 without a price", "1: $0.00"]
    assert ledger_rows(spending([]))[1] == [["all", "", "", "0", "0", "0", "0", "$0.00", "-"]]


def test_the_short_table_sums_by_day_by_model_and_by_step() -> None:
    other = note("0.3", day="2026-11-23", step="questions_visual_entity.v2")
    found = spending([("a", note(), []), ("b", other, [Decimal(1), Decimal(1)]), ("c", None, [ZERO])])
    headings, rows = spend_rows(found)
    assert all(len(row) == len(headings) for row in rows)
    assert [row[0] for row in rows] == [
        *("unanswered", "2026-11-23", "2026-11-24"),
        *("unanswered", "m", "unanswered", "locality", "questions_visual_entity", "all"),
    ]
    assert rows[1] == ["2026-11-23", "1", "10", "5", "$0.30", "1: $1.00"]
    assert rows[-1] == ["all", "2", "20", "10", "$0.40", "2: $1.00"]


def test_what_was_possibly_paid_twice_is_listed_and_the_rest_counted() -> None:
    found = spending([(f"{number:02}", None, [Decimal("0.5")]) for number in range(25)])
    lines = twice_lines(found)
    assert len(lines) == 21 and "00: one try without an answer, at most $0.50; not answered" in lines[0]
    assert lines[-1] == "and 5 more, at most $2.50: mmke draft report lists them"
    assert twice_lines(spending([])) == []


AMOUNT = st.decimals(0, 10, places=6)
ENTRY = st.tuples(
    st.text("abc", max_size=3), st.none() | AMOUNT.map(lambda cost: note(str(cost))), st.lists(AMOUNT)
)


@given(st.lists(ENTRY, unique_by=lambda entry: entry[0]))
def test_nothing_vanishes_and_order_does_not_matter(entries: list[Entry]) -> None:
    found = spending(entries)
    expected = sum((one.cost for _, one, _ in entries if one and one.cost is not None), ZERO)
    for _, one, tries in entries:
        expected += sum((amount or ZERO for amount in (tries[:-1] if one else tries)), ZERO)
    assert found.spent.cost == expected
    assert found == spending(reversed(entries))


def test_the_live_line_tells_money_and_time() -> None:
    money = Money(Decimal("1.234"), Decimal("0.5"), Decimal(20), 100, 20, 1_000)
    assert live_line(money, 10, 110, 60.0) == (
        "$1.23 spent and $0.50 held of $20.00, 120 of 1,000 tokens, about 10 min left"
    )
    assert live_line(Money(ZERO, ZERO, None, 0, 0, None), 0, 10, 5.0) == ""


def test_durations() -> None:
    assert [duration(value) for value in (0.4, 89, 91, 7_199, 12_000)] == [
        "0 s",
        "89 s",
        "2 min",
        "2 h 0 min",
        "3 h 20 min",
    ]
