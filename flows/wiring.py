"""Names the adapters: which real source, model, desk and store stand behind the ports."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass

from curation.collecting.collect import Law
from curation.collecting.folder import FolderSettings, FolderSource
from curation.collecting.http.door import Door
from curation.collecting.hugging_face import HuggingFaceSettings, HuggingFaceSource
from curation.collecting.openverse import OpenverseSettings, OpenverseSource
from curation.collecting.port import ImageSource
from curation.collecting.sample import SampleSource
from curation.collecting.url_list import UrlListSettings, UrlListSource
from curation.collecting.wikimedia import WikimediaSource
from curation.collecting.withdrawn import read_withdrawn
from curation.drafting.draft import DraftSettings
from curation.drafting.llm import LanguageModel
from curation.drafting.recorded import RecordedModel
from curation.records import Category
from curation.reviewing.label_studio import LabelStudioDesk
from curation.reviewing.server import StudioServer, label_studio
from flows.settings import SampleSettings, Settings, SourceSettings
from warehouse.artefacts import Artefacts, Responses
from warehouse.fetches import Fetches

_WITHOUT_DOOR = (SampleSettings, FolderSettings, HuggingFaceSettings)


@dataclass(frozen=True)
class Desks:
    """The two queues of one Label Studio: first votes, and the third person's."""

    url: str
    review: LabelStudioDesk
    adjudication: LabelStudioDesk


def artefacts(settings: Settings) -> Artefacts:
    """Return the project's immutable files."""
    return Artefacts(settings.home)


def law(settings: Settings) -> Law:
    """Return what may be collected. Raises PrerequisiteError when the take-down list cannot be read."""
    return Law(frozenset(settings.allowed_licences), read_withdrawn(settings.withdrawn))


@asynccontextmanager
async def open_door(settings: Settings, *, refresh: bool = False) -> AsyncIterator[Door | None]:
    """Yield the one door to the network for all sources; None when none of them is on the web.

    refresh: ask again for what is in the store, on the condition that it has changed.
    """
    if all(isinstance(source, _WITHOUT_DOOR) for source in settings.sources):
        yield None
        return
    with closing(Fetches(artefacts(settings))) as fetches:
        async with Door(settings.http, fetches, refresh=refresh) as door:
            yield door


def image_sources(
    settings: Settings, door: Door | None, categories: Mapping[str, Category]
) -> list[ImageSource]:
    """Return the sources that a project names, in its order; categories: with the quotas of this run."""
    allowed = frozenset(settings.allowed_licences)
    return [_image_source(source, settings, door, categories, allowed) for source in settings.sources]


def _image_source(
    source: SourceSettings,
    settings: Settings,
    door: Door | None,
    categories: Mapping[str, Category],
    allowed: frozenset[str],
) -> ImageSource:
    if isinstance(source, FolderSettings):
        return FolderSource(source, categories, allowed)
    if isinstance(source, HuggingFaceSettings):
        return HuggingFaceSource(source, categories, allowed)
    if isinstance(source, SampleSettings) or door is None:
        return SampleSource(settings.sample_archive, settings.sample_archive.parent)
    if isinstance(source, UrlListSettings):
        return UrlListSource(source, door, categories, allowed)
    if isinstance(source, OpenverseSettings):
        return OpenverseSource(source, door, categories, allowed)
    return WikimediaSource(source, door, categories)


@contextmanager
def drafting_model(settings: Settings) -> Iterator[tuple[LanguageModel, DraftSettings]]:
    """Yield the drafting model: the endpoint that the environment names, else the rule drafter."""
    from curation.drafting.openai_model import OpenAIModel
    from curation.drafting.rules.process import rule_endpoint

    responses = Responses(artefacts(settings))
    key, url = os.environ.get("OPENAI_API_KEY"), os.environ.get("OPENAI_BASE_URL")
    if key or url:
        model = OpenAIModel(url, key or "not-needed")
        yield (
            RecordedModel(model, responses),
            DraftSettings(model=settings.drafting_model, drafter="llm", is_llm=True),
        )
        return
    with rule_endpoint(settings.home / "rule-drafter" / "requests.jsonl") as (url, key):
        model = OpenAIModel(url, key)
        yield (
            RecordedModel(model, responses),
            DraftSettings(model="rule-drafter/1", drafter="rules", is_llm=False),
        )


@contextmanager
def studio(settings: Settings, port: int | None = None) -> Iterator[StudioServer]:
    """Run the project's own Label Studio for as long as a command needs it."""
    with label_studio(settings.label_studio, settings.home, settings.label_studio_template, port) as server:
        yield server


def desks(server: StudioServer, settings: Settings) -> Desks:
    """Return the two queues on a server."""
    title = "MMKE Forge"
    return Desks(
        url=server.url,
        review=LabelStudioDesk(
            server.url, server.token, server.files, title, queue="review", overlap=settings.votes
        ),
        adjudication=LabelStudioDesk(
            server.url, server.token, server.files, title, queue="adjudication", overlap=1
        ),
    )
