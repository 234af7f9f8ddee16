"""Tests of the price table and of files of a user's own."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.drafting.money.prices import OLD_DAYS, PriceRow, Prices, load_prices
from curation.errors import PrerequisiteError
from curation.records import Usage

ROW = '[[prices]]\nmodel = "mine-*"\ninput = 0.2\noutput = 1\n'


def test_every_row_of_the_table_says_where_it_is_from_and_when() -> None:
    rows = load_prices().rows
    assert rows and len({row.model for row in rows}) == len(rows)
    for row in rows:
        assert row.source.startswith("https://") and row.as_of is not None
        assert row.cached_input is None or row.cached_input <= row.input
        assert row.cache_write is None or row.cache_write >= row.input


def test_the_default_model_has_a_price() -> None:
    assert load_prices().cost(
        "gpt-5-mini", Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    ) == Decimal("2.25")


def test_cost_is_exact_where_floats_are_not() -> None:
    prices = load_prices("0.1,0.2")
    answers = [prices.cost("any", Usage(input_tokens=1, output_tokens=1)) for _ in range(10)]
    assert sum(answers) == Decimal("0.000003")


def test_a_batch_is_cheaper_by_the_discount_of_its_row() -> None:
    usage = Usage(input_tokens=1_000, output_tokens=2_000)
    prices = load_prices()
    assert prices.cost("gpt-5-mini", usage, in_batch=True) * 2 == prices.cost("gpt-5-mini", usage)


def test_a_prompt_that_may_be_written_to_a_cache_is_counted_as_written() -> None:
    assert load_prices().cost("gpt-6-luna", Usage(input_tokens=1_000_000)) == Decimal("0.125")


def test_tokens_out_of_the_endpoint_s_cache_are_cheaper_where_a_row_says_so() -> None:
    usage = Usage(input_tokens=1_000_000)
    prices = load_prices()
    assert prices.cost("gpt-5-mini", usage, cached_tokens=400_000) == Decimal("0.16")
    assert prices.cost("gpt-5-mini", usage, cached_tokens=9_000_000) == Decimal("0.025")
    assert prices.cost("gpt-5-mini", usage, cached_tokens=-5) == Decimal("0.25")
    assert load_prices("1,1").cost("m", usage, cached_tokens=400_000) == 1


@pytest.mark.parametrize("model", ["gpt-5-mini-fast", "gpt-5-mini-2025", "GPT-5-mini", "llama3", ""])
def test_a_model_without_a_price_is_not_asked(model: str) -> None:
    with pytest.raises(PrerequisiteError, match="--price IN,OUT"):
        load_prices().row(model)


def test_a_dated_snapshot_costs_what_its_family_costs_unless_a_row_names_it() -> None:
    prices = load_prices()
    assert prices.row("gpt-4o-2024-08-06").model == "gpt-4o"
    assert prices.row("gpt-4o-2024-05-13").input == 5


def test_a_given_price_serves_every_model_and_zero_is_free() -> None:
    assert load_prices("0,0").is_free("qwen2-vl") and not load_prices("0, 1.5").is_free("qwen2-vl")


def test_own_rows_come_before_the_table(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(ROW + ROW.replace("mine-*", "gpt-5-mini").replace("0.2", "9"))
    prices = load_prices(own=path)
    assert prices.row("mine-7b").input == Decimal("0.2")
    assert prices.row("gpt-5-mini").input == 9
    assert prices.row("gpt-5").input == Decimal("1.25")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("input = 0.2", "input = -0.2", "greater than or equal to 0"),
        ("input = 0.2", "input = nan", "finite"),
        ("input = 0.2", "input = inf", "finite"),
        ("input = 0.2", "input = true", "not true or false"),
        ("input = 0.2", "input = 1e300", "correct it"),
        ("input = 0.2", "imput = 0.2", "imput"),
        ("input = 0.2", '"in\\u001b[31m" = 0.2', "in?[31m"),
        ("mine-*", "mine\\u001b[31m", "model"),
        ("output = 1", 'output = 1\nsource = "https://me:secret@example.org"', "without a login"),
        ("output = 1", 'output = 1\nsource = "javascript:alert(1)"', "https"),
        ("output = 1", "output = ", "not valid TOML"),
        ("output = 1", "output = 1\nas_of = 7.5", "as_of"),
        ("[[prices]]", "[prices]", "prices"),
        ("input = 0.2", "input = " + "[" * 5_000, "not valid TOML"),
    ],
)
def test_a_malformed_file_is_one_clear_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(ROW.replace(old, new))
    with pytest.raises(PrerequisiteError) as error:
        load_prices(own=path)
    assert told in str(error.value) and str(path) in str(error.value)
    assert (
        "\n" not in str(error.value) and "\x1b" not in str(error.value) and "secret" not in str(error.value)
    )


@pytest.mark.parametrize("data", [b"\xff\xfe", b"\0" * 10, b"#" * 1_000_001])
def test_bytes_that_are_no_price_file_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(data)
    with pytest.raises(PrerequisiteError):
        load_prices(own=path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"nowhere\.toml"):
        load_prices(own=tmp_path / "nowhere.toml")


@given(st.text(max_size=30))
def test_a_given_price_is_a_price_or_refused(text: str) -> None:
    try:
        row = load_prices(text).row("any")
    except PrerequisiteError as error:
        assert "--price IN,OUT" in str(error)
    else:
        assert row.input >= 0 and row.output >= 0 and row.input.is_finite()


def test_an_old_price_is_said_to_be_old_and_a_new_one_is_not() -> None:
    row = PriceRow(model="m", input=Decimal(1), output=Decimal(2), as_of=date(2026, 1, 1))
    young = Prices((row,)).told("m", date.fromordinal(date(2026, 1, 1).toordinal() + OLD_DAYS))
    old = Prices((row,)).told("m", date.fromordinal(date(2026, 1, 1).toordinal() + OLD_DAYS + 1))
    assert "days ago" not in young and f"{OLD_DAYS + 1} days ago" in old
