"""What a model's tokens cost: a dated table of list prices, a project's own rows, or one given price."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from curation.errors import PrerequisiteError
from curation.records import Usage

OLD_DAYS = 180
"""List prices change a few times a year; an older row is still used, and said to be old."""

PICTURE_TOKENS = 6_000
"""The most tokens that a picture of at most 1024 px a side counts as, where a row does not say otherwise."""

_LARGEST_FILE = 1_000_000
_HOW = "give it as --price IN,OUT (US dollars per million tokens), or in a file that [draft] prices names"

_SNAPSHOT = re.compile(r"-20\d\d-\d\d-\d\d\Z")


def _no_truth(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a price is a number, not true or false")  # noqa: TRY004 - pydantic wants it
    return value


_Dollars = Annotated[
    Decimal, BeforeValidator(_no_truth), Field(ge=0, le=100_000, max_digits=12, decimal_places=6)
]


class PriceRow(BaseModel):
    """The price of the models whose id fits a pattern ('*' and '?' as in file names).

    input, cached_input, cache_write, output: US dollars per million tokens; the two in the middle None where
    the endpoint's own cache of prompts makes no difference. batch_discount: what is taken off everything in a
    batch, 0 to 1. picture_tokens: the most that a picture of at most 1024 px a side counts as. as_of: a day
    on which the source, a public page, said so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")
    input: _Dollars
    cached_input: _Dollars | None = None
    cache_write: _Dollars | None = None
    output: _Dollars
    batch_discount: Decimal = Field(default=Decimal(0), ge=0, le=1, max_digits=5, decimal_places=4)
    picture_tokens: int = Field(default=PICTURE_TOKENS, ge=0, le=1_000_000)
    as_of: date | None = None
    source: str = Field(default="", max_length=300)

    @field_validator("source")
    @classmethod
    def _a_public_page(cls, value: str) -> str:
        if value:
            parts = urlsplit(value)
            if parts.scheme != "https" or not parts.hostname or parts.username or not value.isascii():
                raise ValueError("a source is a public https address without a login")
        return value


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    prices: tuple[PriceRow, ...] = Field(default=(), max_length=5_000)


@dataclass(frozen=True, slots=True)
class Prices:
    """Price rows in the order in which they are tried; a row that names a model exactly comes first."""

    rows: tuple[PriceRow, ...]

    def row(self, model: str) -> PriceRow:
        """Return the price of a model; a dated snapshot costs what its family costs, where no row names it.

        Raises PrerequisiteError when no price is known: then nothing may be asked.
        """
        for name in dict.fromkeys((model, _SNAPSHOT.sub("", model))):
            exact = next((row for row in self.rows if row.model == name), None)
            found = exact or next((row for row in self.rows if fnmatchcase(name, row.model)), None)
            if found is not None:
                return found
        raise PrerequisiteError(f"nobody told what the model {model[:100]!r} costs: {_HOW}")

    def cost(self, model: str, usage: Usage, *, cached_tokens: int = 0, in_batch: bool = False) -> Decimal:
        """Return what an answer with this usage cost in US dollars, exactly.

        cached_tokens: input tokens that the endpoint had in its own cache of prompts, where it tells. Where
        writing to that cache has a price, all others are counted as written, so that a sum of costs never
        tells too little.
        """
        row = self.row(model)
        cached = min(max(0, cached_tokens), usage.input_tokens) if row.cached_input is not None else 0
        full = self.worst(model, usage.input_tokens - cached, usage.output_tokens, in_batch=in_batch)
        less = (row.cached_input or Decimal(0)) * cached
        return full + _of_a_million(less, row, in_batch=in_batch)

    def worst(self, model: str, input_tokens: int, output_tokens: int, *, in_batch: bool = False) -> Decimal:
        """Return what so many tokens cost in US dollars at most."""
        row = self.row(model)
        dearest = max(row.input, row.cache_write or Decimal(0))
        return _of_a_million(dearest * input_tokens + row.output * output_tokens, row, in_batch=in_batch)

    def is_free(self, model: str) -> bool:
        """Tell whether asking a model costs nothing."""
        row = self.row(model)
        return row.input == row.output == 0 and not row.cache_write

    def told(self, model: str, today: date) -> str:
        """Return a line on where a model's price is from, and that it is old when it is."""
        row = self.row(model)
        cached = f" (${row.cached_input} out of its cache)" if row.cached_input is not None else ""
        line = f"{model}: ${row.input} in{cached}, ${row.output} out per million tokens"
        if row.as_of is None:
            return f"{line}, as you say"
        line = f"{line}, as of {row.as_of.isoformat()}"
        days = (today - row.as_of).days
        if days <= OLD_DAYS:
            return line
        page = row.source or "the list prices"
        return f"{line}: that is {days} days ago, see {page}; if it changed, {_HOW}"


def _of_a_million(amount: Decimal, row: PriceRow, *, in_batch: bool) -> Decimal:
    """Return US dollars for prices a million tokens, less the discount of a batch."""
    return amount.scaleb(-6) * (1 - row.batch_discount if in_batch else 1)


def load_prices(given: str | None = None, own: Path | None = None) -> Prices:
    """Return the prices of a run: a given IN,OUT for every model, else a project's own rows, then the table.

    own: a TOML file of [[prices]] rows as in prices.toml. Raises PrerequisiteError for a price or a file that
    is not sound.
    """
    if given is not None:
        return Prices((_given(given),))
    table = files("curation.drafting.money").joinpath("prices.toml").read_bytes()
    rows = _rows(table, "the price table")
    return Prices((*(_read_own(own) if own else ()), *rows))


def _given(text: str) -> PriceRow:
    try:
        price_in, price_out = (Decimal(part.strip()) for part in text.split(","))
        return PriceRow(model="*", input=price_in, output=price_out)
    except (ValueError, InvalidOperation):
        message = (
            f"{text[:60]!r} is no price: write --price IN,OUT in US dollars per million tokens, as in 0.25,2"
        )
        raise PrerequisiteError(message) from None


def _read_own(path: Path) -> Sequence[PriceRow]:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        message = f"the price file {path} cannot be read ({error.strerror}); correct the path"
        raise PrerequisiteError(message) from error
    if len(data) > _LARGEST_FILE:
        raise PrerequisiteError(
            f"the price file {path} is larger than 1 MB; it should hold [[prices]] rows only"
        )
    return _rows(data, str(path))


def _rows(data: bytes, name: str) -> Sequence[PriceRow]:
    try:
        values = tomllib.loads(data.decode("utf-8"), parse_float=Decimal)
        return _Table.model_validate(values).prices
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, InvalidOperation) as error:
        raise PrerequisiteError(f"{name} is not valid TOML ({str(error)[:100]}); correct it") from None
    except ValidationError as error:
        rows = error.errors(include_input=False, include_url=False)
        first = next((row for row in rows if row["type"] == "extra_forbidden"), rows[0])
        place = (
            ".".join(str(part) for part in first["loc"])[:100].encode("ascii", "backslashreplace").decode()
        )
        place = "".join(letter if letter.isprintable() else "?" for letter in place)
        raise PrerequisiteError(f"{name}: {place}: {first['msg'][:100]}; correct it") from None
