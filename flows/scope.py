"""What part of its sources a collecting run takes."""

from __future__ import annotations

from dataclasses import dataclass

from curation.collecting.books import Wanted
from curation.errors import PrerequisiteError
from curation.records import Category
from curation.taxonomy import load_taxonomy
from flows.settings import Settings


@dataclass(frozen=True)
class Scope:
    """only: keys of categories, all when empty. limit: subjects a category, the quotas when None."""

    only: frozenset[str] = frozenset()
    limit: int | None = None

    @property
    def whole(self) -> bool:
        """Return whether nothing is left out, so that what was not seen is there no more."""
        return not self.only and self.limit is None

    def categories(self, settings: Settings) -> dict[str, Category]:
        """Return the taxonomy with the quotas of this run: 0 for the categories that are left out.

        Raises PrerequisiteError for a category that is not known.
        """
        known = load_taxonomy(settings.taxonomy)
        if missing := sorted(self.only - set(known)):
            message = f"there is no category {missing[0]!r}; `mmke taxonomy show` lists them"
            raise PrerequisiteError(message)
        return {key: self._asked(category) for key, category in known.items()}

    def wanted(self, settings: Settings) -> Wanted:
        """Return how much of what this run wants."""
        quotas = {key: category.quota for key, category in self.categories(settings).items()}
        return Wanted(quotas, settings.per_category, self.only, settings.http.concurrency)

    def _asked(self, category: Category) -> Category:
        quota = category.quota if self.limit is None else min(category.quota, self.limit)
        if self.only and category.key not in self.only:
            quota = 0
        return category.model_copy(update={"quota": quota})
