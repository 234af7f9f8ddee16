"""Which categories a source fills: those that its settings list, else all that name it as a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from curation.errors import PrerequisiteError
from curation.records import Category


def wanted_categories(
    source: str, keys: Sequence[str], categories: Mapping[str, Category]
) -> tuple[Category, ...]:
    """Return the categories to fill in the order of the taxonomy; those with quota 0 are left out.

    Raises PrerequisiteError when keys names one that the taxonomy has not.
    """
    unknown = [key for key in keys if key not in categories]
    if unknown:
        raise PrerequisiteError(
            f"the source {source} is to fill '{unknown[0]}', which the taxonomy has not; "
            "see `mmke taxonomy show` and correct mmke.toml"
        )
    return tuple(
        category
        for key, category in categories.items()
        if category.quota and (key in keys if keys else source in category.sources)
    )
