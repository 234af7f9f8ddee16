"""What batches cost: the cap holds before they are submitted, and what was answered is noted at its price."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from curation.drafting.batches.folder import BatchFolder
from curation.drafting.money.budget import Budget
from curation.drafting.money.prices import PriceRow, Prices
from curation.drafting.money.spending import Spending, spending
from curation.errors import LimitReachedError
from tests.batch_runs import BatchRun, questions
from tests.batch_server import BatchServer, Plan
from tests.llm_replies import Reply
from warehouse.artefacts import Responses

PRICES = Prices((PriceRow(model="*", input=Decimal(2), output=Decimal(8), batch_discount=Decimal("0.5")),))


def capped(cap: str, max_tokens: int | None = None) -> Callable[[Responses], Budget]:
    def budget(store: Responses) -> Budget:
        spent = spending(store.all()).spent
        return Budget(PRICES, Decimal(cap), max_tokens, spent, in_batch=True)

    return budget


def run(server: BatchServer, home: Path, cap: str, count: int = 6) -> BatchRun:
    return BatchRun(server.base_url, home, questions(count), prices=PRICES, budget=capped(cap))


def worst(home: Path) -> Decimal:
    """Return what one question may cost at most."""
    with BatchServer() as server:
        run(server, home, "1", 1)(wait=False)
    amount = next(BatchFolder.all(home / "batches")).intent.asked[0].worst
    assert amount is not None
    return amount


def spent(home: Path) -> Spending:
    return spending(BatchRun("", home, ()).store.all())


def test_answers_are_noted_at_half_the_price(tmp_path: Path) -> None:
    with BatchServer() as server:
        run(server, tmp_path, "1")()
        tokens_in = sum(row["tokens_in"] for row in server.rows)
        tokens_out = sum(row["tokens_out"] for row in server.rows)
    found = spent(tmp_path)
    assert found.spent.cost == Decimal(2 * tokens_in + 8 * tokens_out).scaleb(-6) / 2
    assert found.spent.tokens == tokens_in + tokens_out
    assert [row.in_batch for row in found.rows] == [6]
    assert not found.twice


def test_the_cap_holds_before_anything_is_submitted(tmp_path: Path) -> None:
    """Three of six fit at their worst; when they turn out cheaper, others fit too."""
    cap = worst(tmp_path / "one") * 3
    with BatchServer(plans=(Plan(polls=5),)) as server:
        first = run(server, tmp_path / "b", str(cap))
        with pytest.raises(LimitReachedError, match="keeps 3 questions back"):
            first(wait=False)
        assert spent(tmp_path / "b").spent.cost == cap  # all that is in the batch, at its worst
        assert sum(server.wanted.values()) == 3
        assert run(server, tmp_path / "b", str(cap))().answered == 6
    assert spent(tmp_path / "b").spent.cost <= cap


def test_a_batch_of_another_run_counts_while_it_is_under_way(tmp_path: Path) -> None:
    cap = worst(tmp_path / "one") * 4
    with BatchServer(plans=(Plan(polls=10**6),)) as server:
        run(server, tmp_path / "b", str(cap), 4)(wait=False)
        with pytest.raises(LimitReachedError):
            run(server, tmp_path / "b", str(cap), 6)(wait=False)
        assert sum(server.wanted.values()) == 4


def test_what_was_not_executed_costs_nothing(tmp_path: Path) -> None:
    with BatchServer(lambda _: Reply(status=500, error="x", charged=False)) as server:
        assert run(server, tmp_path, "1", 2)().failed == 2
    assert spent(tmp_path).spent.cost == 0
    assert not spent(tmp_path).twice


def test_a_declined_question_costs_nothing(tmp_path: Path) -> None:
    declined = Reply(status=400, error="content_filter", charged=False)
    with BatchServer(lambda _: declined) as server:
        assert run(server, tmp_path, "1", 2)().answered == 2
    assert spent(tmp_path).spent.cost == 0


def test_what_may_have_been_charged_counts_at_its_worst(tmp_path: Path) -> None:
    amount = worst(tmp_path / "one")
    with BatchServer(plans=(Plan(hidden=10**6), Plan())) as server:
        run(server, tmp_path / "b", "1", 1)()
    found = spent(tmp_path / "b")
    assert [(one.tries, one.cost) for one in found.twice] == [(1, amount)]


def test_a_noted_batch_that_the_budget_no_longer_allows_is_dropped(tmp_path: Path) -> None:
    """The upload failed, then the cap was lowered: nothing is submitted and nothing counts."""
    with BatchServer() as server:
        server.refuse["upload"] = [(503, "server_error")]
        run(server, tmp_path, "1")(wait=False)
        later = run(server, tmp_path, "0.000001")
        with pytest.raises(LimitReachedError, match="keeps 6 questions back"):
            later()
        assert server.calls["create"] == 0
    assert spent(tmp_path).spent.cost == 0
    assert any("no longer allows" in line for line in later.lines)


def test_the_cap_in_tokens(tmp_path: Path) -> None:
    with BatchServer() as server:
        server.plans = [Plan(polls=2)]
        asked = run(server, tmp_path, "1")
        asked.budget = capped("1", 1000)
        with pytest.raises(LimitReachedError):
            asked(wait=False)
        assert 0 < (under_way := sum(server.wanted.values())) < 6
        with pytest.raises(LimitReachedError):
            asked(wait=False)
        assert sum(server.wanted.values()) == under_way
        asked.budget = capped("1", 10**6)
        assert asked().answered == 6
