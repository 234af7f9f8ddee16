"""Names the adapters: which real source, model, desk and store stand behind the ports."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from curation.collecting import wikipedia
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
from curation.decoding import DecodePool
from curation.drafting.draft import DraftSettings, Sources
from curation.drafting.endpoint.pacing import Pace, PacedModel
from curation.drafting.endpoint.recorded import RecordedModel
from curation.drafting.endpoint.settings import LlmSettings
from curation.drafting.steps.outside_texts import (
    FirstOf,
    LaterTexts,
    OutsideTexts,
    read_outside_texts,
    texts_of_extracts,
    texts_of_subjects,
)
from curation.drafting.steps.pools import Pool, load_pools
from curation.errors import PrerequisiteError, Rejected
from curation.records import Category, Subject
from curation.reviewing.label_studio import LabelStudioDesk
from curation.reviewing.server import StudioServer, label_studio
from flows.settings import SampleSettings, Settings, SourceSettings
from warehouse.artefacts import Artefacts, Responses
from warehouse.fetches import Fetches

if TYPE_CHECKING:
    from curation.drafting.endpoint.openai_model import OpenAIModel
    from curation.drafting.money.budget import Budget

# It writes a few words a second, one answer after the other.
SMALL_MODEL_SECONDS = 600.0
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


def writer_of(settings: Settings) -> DraftSettings:
    """Return who drafts: the endpoint that the environment names, or one of our own."""
    from curation.drafting.endpoint.local_llm import MODEL_NAME as SMALL_MODEL
    from curation.drafting.rules.drafter import MODEL_NAME as RULES

    llm = settings.llm
    if _endpoint(settings) is None and llm.drafter != "local-llm":
        return DraftSettings(model=RULES, drafter="rules", is_llm=False)
    is_small = llm.drafter == "local-llm"
    return DraftSettings(
        model=SMALL_MODEL if is_small else llm.model,
        drafter="local-llm" if is_small else "llm",
        is_llm=True,
        temperature=llm.temperature,
        max_output_tokens=llm.max_output_tokens,
        longer_output_tokens=llm.longer_output_tokens,
        sees_pictures=llm.sees_pictures and not is_small,
    )


def is_own(model: str) -> bool:
    """Tell whether a model is one of those that come with this project."""
    from curation.drafting.endpoint.local_llm import MODEL_NAME

    return model == MODEL_NAME or model.startswith("rule-drafter/")


def _endpoint(settings: Settings) -> tuple[str | None, str] | None:
    """Return address (None for OpenAI's own) and key that the environment names, None where ours drafts."""
    key, url = os.environ.get("OPENAI_API_KEY"), os.environ.get("OPENAI_BASE_URL")
    if settings.llm.drafter != "auto" or not (key or url):
        return None
    return url or None, key or "not-needed"


@contextmanager
def _address(settings: Settings) -> Iterator[tuple[str | None, str]]:
    """Yield address and key of the endpoint that drafts; one of our own runs for as long as it is needed."""
    from curation.drafting.endpoint.local_llm import local_endpoint
    from curation.drafting.rules.process import rule_endpoint

    if named := _endpoint(settings):
        yield named
    elif settings.llm.drafter == "local-llm":
        with local_endpoint(settings.local_llm) as (url, key, _):
            yield url, key
    else:
        with rule_endpoint(settings.home / "rule-drafter" / "requests.jsonl") as own:
            yield own


def _manner(settings: Settings) -> LlmSettings:
    """Return how the endpoint is asked: ours keep answers by Chat Completions; the small model is slow."""
    if _endpoint(settings) is not None:
        return settings.llm
    ours: dict[str, object] = {"api": "chat"}
    if settings.llm.drafter == "local-llm":
        ours |= {"in_flight": 1, "timeout_seconds": max(settings.llm.timeout_seconds, SMALL_MODEL_SECONDS)}
    return settings.llm.model_copy(update=ours)


@dataclass(frozen=True)
class Writer:
    """Who drafts, and how it is asked.

    address: base URL (None for OpenAI's own) and key. paced: the endpoint at its pace, for live
    numbers and for stopping. budget: None where nobody counts.
    """

    model: RecordedModel
    settings: DraftSettings
    address: tuple[str | None, str] = field(repr=False)
    endpoint: OpenAIModel
    paced: PacedModel
    budget: Budget | None


@asynccontextmanager
async def writer(settings: Settings, budget: Budget | None = None) -> AsyncIterator[Writer]:
    """Yield the model that drafts: answers kept, budget held, paced, one request a try.

    Raises PrerequisiteError when the address or the key cannot be used.
    """
    from curation.drafting.endpoint.openai_model import OpenAIModel
    from flows.terminal import say

    llm = _manner(settings)
    with _address(settings) as address:
        endpoint = OpenAIModel(*address, llm, warn=lambda line: say(f"  {line}"))
        pace = Pace(in_flight=llm.in_flight, timeout_seconds=llm.timeout_seconds, run_seconds=llm.run_seconds)
        paced = PacedModel(endpoint, pace)
        model = RecordedModel(paced, Responses(artefacts(settings)), budget)
        try:
            yield Writer(model, writer_of(settings), address, endpoint, paced, budget)
        finally:
            await endpoint.aclose()


async def sources_of(settings: Settings, subjects: Mapping[str, Subject]) -> tuple[Sources, list[Rejected]]:
    """Return what items are drafted from beside their own subject, and the rows of files that are out.

    Raises PrerequisiteError when a file that the settings name cannot be read.
    """
    allowed, kept = frozenset(settings.allowed_licences), artefacts(settings)
    own, rejected = read_outside_texts(settings.draft.outside_texts, allowed)
    texts = FirstOf(own, texts_of_subjects(subjects.values()), LaterTexts(_encyclopaedia))
    pool = Pool()
    if settings.draft.question_pools:
        with DecodePool() as decoders:
            pool = await load_pools(settings.draft.question_pools, allowed, decoders.inspect, kept.put)
    return Sources(subjects, texts, pool, kept.get), [*rejected, *pool.rejected]


def _encyclopaedia() -> OutsideTexts:
    """Return the extracts of the package that the sample's texts come from, where it is installed."""
    try:
        extracts = wikipedia.load_extracts()
    except PrerequisiteError:
        extracts = {}
    return texts_of_extracts(extracts, wikipedia.text_source)


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
