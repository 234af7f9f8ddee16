"""What part of its sources a collecting run takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from curation.collecting.books import Wanted
from curation.collecting.folder import FolderSettings
from curation.errors import PrerequisiteError
from curation.ids import slug
from curation.records import Category
from curation.taxonomy import load_taxonomy
from flows.settings import Settings


@dataclass(frozen=True)
class Scope:
    """only: keys of categories, all when empty. limit: subjects a category, the quotas when None.

    folder: a folder of pictures that is taken in place of the project's sources. refresh: ask again for what
    is here; a host that says it has not changed sends nothing.
    """

    only: frozenset[str] = frozenset()
    limit: int | None = None
    folder: Path | None = None
    refresh: bool = False

    @property
    def whole(self) -> bool:
        """Return whether nothing is left out, so that what was not seen is there no more."""
        return not self.only and self.limit is None and self.folder is None

    def sources(self, settings: Settings) -> Settings:
        """Return the settings with the sources of this run."""
        if self.folder is None:
            return settings
        return settings.model_copy(update={"sources": (self._folder_of(settings, self.folder),)})

    def to_stay(self, settings: Settings) -> str:
        """Return what to add to mmke.toml so that the folder counts in a full run; '' where it does."""
        if self.folder is None or (source := self._folder_of(settings, self.folder)) in settings.sources:
            return ""
        table = f'[[sources]]\nkind = "folder"\nname = "{source.name}"\npath = "{source.path}"'
        return (
            f"a run without --from takes what mmke.toml names alone; for this folder to stay, add\n\n{table}"
        )

    def _folder_of(self, settings: Settings, folder: Path) -> FolderSettings:
        place = folder.resolve()
        for source in settings.sources:
            if isinstance(source, FolderSettings) and source.path.resolve() == place:
                return source
        # By its name, so that pictures of two folders do not get in each other's way.
        return FolderSettings(path=place, name=f"folder-{slug(place.name)}"[:40].rstrip("-"))

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
