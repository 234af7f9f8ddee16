"""Tests of money against a real endpoint on loopback: what it charged, what we counted, and the cap."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from curation.drafting.endpoint.openai_model import OpenAIModel
from curation.drafting.endpoint.pacing import Pace, PacedModel
from curation.drafting.endpoint.recorded import RecordedModel
from curation.drafting.endpoint.settings import LlmSettings
from curation.drafting.llm import LlmRequest, LlmResponse
from curation.drafting.money.budget import Budget, Spent
from curation.drafting.money.prices import load_prices
from curation.drafting.money.spending import Spending, spending
from curation.errors import LimitReachedError
from tests.drafts import FakeModel, body, request
from tests.llm_replies import with_faults
from tests.llm_server import KEY, LlmServer
from warehouse.artefacts import Artefacts, Responses

PRICE_IN, PRICE_OUT = Decimal("1.25"), Decimal(10)
PRICES = load_prices(f"{PRICE_IN},{PRICE_OUT}")
ASKED = [
    replace(request(draw=number), parameters={"max_completion_tokens": 200}, model="m")
    for number in range(20)
]


def spent(home: Path) -> Spending:
    return spending(Responses(Artefacts(home)).all())


def charged(server: LlmServer) -> Decimal:
    """Return what the endpoint charged, in US dollars, of its own books."""
    rows = [row for row in server.rows if row["charged"]]
    return sum(
        ((row["tokens_in"] * PRICE_IN + row["tokens_out"] * PRICE_OUT).scaleb(-6) for row in rows), Decimal(0)
    )


def ask_all(server: LlmServer, home: Path, cap: Decimal | None) -> list[LlmResponse | BaseException]:
    """Ask all questions at once as one run of a project does, and return what came of each."""

    async def run() -> list[LlmResponse | BaseException]:
        store = Responses(Artefacts(home))
        budget = Budget(PRICES, cap, None, spent(home).spent)
        endpoint = OpenAIModel(server.base_url, KEY, LlmSettings(store=False, timeout_seconds=5))
        model = RecordedModel(PacedModel(endpoint, Pace(in_flight=16)), store, budget)

        async def one(asked: LlmRequest) -> LlmResponse:
            return await model.complete(asked)

        return await asyncio.gather(*map(one, ASKED), return_exceptions=True)

    return asyncio.run(run())


@pytest.mark.parametrize("faults", [{}, {"500": 0.15, "429": 0.1, "refusal": 0.1}])
def test_the_cap_holds_to_the_cent_and_a_larger_one_goes_on_where_it_was(
    tmp_path: Path, faults: dict[str, float]
) -> None:
    with LlmServer(with_faults(faults)) as server:
        cap = Decimal("0.01")
        ends = ask_all(server, tmp_path, cap)
        stopped = [end for end in ends if isinstance(end, LimitReachedError)]
        answered = [end for end in ends if isinstance(end, LlmResponse)]
        assert len(stopped) + len(answered) == len(ASKED) and stopped and answered
        assert spent(tmp_path).spent.cost == charged(server) <= cap

        ends = ask_all(server, tmp_path, Decimal(5))
        assert all(isinstance(end, LlmResponse) for end in ends)
        assert spent(tmp_path).spent.cost == charged(server)
        assert not server.paid_twice and not spent(tmp_path).twice

        asked = len(server.rows)
        assert all(isinstance(end, LlmResponse) for end in ask_all(server, tmp_path, Decimal(0)))
        assert len(server.rows) == asked


def test_what_was_perhaps_charged_is_counted_at_its_worst_and_listed(tmp_path: Path) -> None:
    with LlmServer(with_faults({"drop": 0.2})) as server:
        cap = Decimal("0.1")
        ask_all(server, tmp_path, cap)
        lost = [row for row in server.rows if row["fault"] == "drop"]
        found = spent(tmp_path)
        assert lost and charged(server) <= found.spent.cost <= cap
        assert sum(one.tries for one in found.twice) == len(lost)


def test_tokens_out_of_the_endpoint_s_cache_are_noted_at_their_price(tmp_path: Path) -> None:
    raw = body("{}")
    raw["usage"] = {"prompt_tokens": 1_000, "completion_tokens": 100}
    raw["usage"]["prompt_tokens_details"] = {"cached_tokens": 800}
    budget = Budget(load_prices(), Decimal(1), None, Spent())
    model = RecordedModel(FakeModel(raw), Responses(Artefacts(tmp_path)), budget)
    asyncio.run(model.complete(replace(ASKED[0], model="gpt-5-mini")))
    # 200 tokens at 0.25, 800 at 0.025 and 100 at 2 US dollars a million
    assert spent(tmp_path).spent.cost == budget.money.spent == Decimal("0.00027")
