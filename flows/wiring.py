"""Names the adapters: which real source, model, desk and store stand behind the ports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from curation.collecting.port import ImageSource
from curation.collecting.sample import SampleSource
from curation.drafting.draft import DraftSettings
from curation.drafting.llm import LanguageModel, RecordedModel
from curation.reviewing.label_studio import LabelStudioDesk
from curation.reviewing.server import StudioServer, label_studio
from flows.settings import Settings
from warehouse.artefacts import Artefacts, Responses


@dataclass(frozen=True)
class Desks:
    """The two queues of one Label Studio: first votes, and the third person's."""

    url: str
    review: LabelStudioDesk
    adjudication: LabelStudioDesk


def artefacts(settings: Settings) -> Artefacts:
    """Return the project's immutable files."""
    return Artefacts(settings.home)


def image_source(settings: Settings) -> ImageSource:
    """Return the source of pictures: the sample."""
    return SampleSource(settings.sample_archive, settings.sample_archive.parent)


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
