"""The three editing types and the 33 broad categories of MMKE-Bench, read from taxonomy.toml."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from curation.errors import IntegrityError
from curation.records import Category, EditType


@cache
def load_taxonomy() -> dict[str, Category]:
    """Return the categories by key, in the paper's order (MMKE-Bench, section 3, statistics figure).

    Raises IntegrityError when a key stands twice or the counts of an editing type miss its total.
    """
    table = tomllib.loads(files("curation").joinpath("taxonomy.toml").read_text(encoding="utf-8"))
    found: dict[str, Category] = {}
    for edit_type in EditType:
        rows = table[edit_type.value]["categories"]
        if sum(row["count"] for row in rows) != table[edit_type.value]["total"]:
            raise IntegrityError(f"taxonomy.toml: the counts of {edit_type.value} do not add up to its total")
        for row in rows:
            category = Category(edit_type=edit_type, **row)
            if category.key in found:
                raise IntegrityError(f"taxonomy.toml: {category.key} stands there twice")
            found[category.key] = category
    return found
