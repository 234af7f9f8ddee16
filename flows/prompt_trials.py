"""Looks at a prompt in use on one item: the request that it would send, and what a model answers to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from curation.drafting.calls import DraftCall
from curation.drafting.casting import Casting, compose, roles
from curation.drafting.checks.finding import Finding
from curation.drafting.draft import Drafted, Sources, StepFailed, draft_item
from curation.drafting.llm import LanguageModel, LlmRequest, LlmResponse, read_response
from curation.drafting.money.estimate import KeptAnswers, NotKeptError
from curation.drafting.repair import KeptDraft, step_of, step_of_prompt
from curation.drafting.steps.asking import Asking
from curation.drafting.steps.prompting import Prompt, load_prompt, load_version, prompt_ids, read_prompt
from curation.errors import PrerequisiteError, Rejected
from curation.records import Subject
from flows.dedupe import unique_pictures
from flows.drafting.plan import kept_subjects
from flows.settings import Settings
from flows.wiring import artefacts, sources_of, writer_of
from warehouse.artefacts import Responses
from warehouse.store import Store, read_store


def find_prompt(name: str) -> Prompt:
    """Return a prompt by id ('locality.v1'), by name (its newest version), or from a draft file ('x.md').

    Raises PrerequisiteError when there is none, IntegrityError when its file is not sound.
    """
    if name.endswith(".md"):
        try:
            return read_prompt(None, Path(name).read_bytes())
        except OSError as error:
            raise PrerequisiteError(
                f"{name} cannot be read ({error.strerror}): name a prompt file"
            ) from error
    if name in prompt_ids():
        return load_version(name)
    names = {prompt_id.rpartition(".v")[0] for prompt_id in prompt_ids()}
    if name in names:
        return load_prompt(name)
    near = get_close_matches(name, [*names, *prompt_ids()], 1)
    meant = f"did you mean {near[0]}? " if near else ""
    raise PrerequisiteError(f"there is no prompt {name!r}: {meant}`mmke prompt list` shows them all")


@dataclass(frozen=True)
class Case:
    """One subject with all that its item is drafted from, and its newest draft, None where it has none."""

    subject: Subject
    casting: Casting
    sources: Sources
    draft: KeptDraft | None

    def prompts(self, prompt: Prompt) -> Callable[[str], Prompt]:
        """Return which prompt a step uses: the one in question, else the one that the newest draft used."""
        used = {one.step: one.prompt_id for one in self.draft.provenance} if self.draft is not None else {}

        def chosen(step: str) -> Prompt:
            if step == prompt.name:
                return prompt
            return load_version(used[step]) if used.get(step) in prompt_ids() else load_prompt(step)

        return chosen

    async def walk(self, asking: Asking) -> Drafted | StepFailed:
        """Draft the item as its newest draft was; nothing is stored but what the model keeps."""
        redrafts = self.draft.redrafts if self.draft is not None else ()
        return await draft_item(self.subject, self.casting, self.sources, asking, redrafts)


def find_case(settings: Settings, named: str) -> Case:
    """Return the case of a subject, by its id, name or item id.

    Raises PrerequisiteError when the project has no such subject, or not the pictures for its item.
    """
    with read_store(settings.home) as store:
        subjects, pictures = kept_subjects(store), unique_pictures(store)
        subject = _subject(subjects, named)
        draft = _newest_draft(store, subject)
    kept = artefacts(settings)
    parts = roles(subjects, pictures)[subject.subject_id]
    if isinstance(parts, Rejected):
        raise PrerequisiteError(f"{subject.name} has not the pictures for an item: {parts.detail}")
    casting = compose(subject, parts, kept.get, kept.put)
    by_id = {one.subject_id: one for one in subjects}
    sources, _ = asyncio.run(sources_of(settings, by_id))
    return Case(subject, casting, sources, draft)


def _subject(subjects: Sequence[Subject], named: str) -> Subject:
    wanted = named.removeprefix("item-").casefold()
    for one in subjects:
        if wanted in (one.subject_id.casefold(), one.name.casefold()):
            return one
    near = get_close_matches(wanted, [one.subject_id for one in subjects], 1)
    meant = f"did you mean {near[0]}? " if near else ""
    raise PrerequisiteError(f"there is no subject {named!r}: {meant}`mmke collect` says what is there")


def _newest_draft(store: Store, subject: Subject) -> KeptDraft | None:
    rows = store.payloads("draft").values()
    found = [KeptDraft.model_validate(row) for row in rows if row["subject_id"] == subject.subject_id]
    return max(found, key=lambda draft: draft.draw, default=None)


class _FoundError(Exception):
    """The walk came to the question that was wanted."""


@dataclass
class _Finder:
    """Answers from what is kept until the wanted prompt is asked for."""

    kept: KeptAnswers
    wanted: str
    request: LlmRequest | None = None

    async def complete(self, request: LlmRequest) -> LlmResponse:
        if request.prompt_id == self.wanted:
            self.request = request
            raise _FoundError
        return await self.kept.complete(request)


def request_of(settings: Settings, prompt: Prompt, case: Case) -> LlmRequest:
    """Return the request that a prompt makes of a subject's item, hash and all; nobody is asked.

    Raises PrerequisiteError when the item does not come to that step: an earlier answer is not kept, an
    earlier step failed, or items of its editing type have no such step.
    """
    finder = _Finder(KeptAnswers(Responses(artefacts(settings))), prompt.prompt_id)
    asking = Asking(finder, writer_of(settings), prompts=case.prompts(prompt))
    try:
        ended = asyncio.run(case.walk(asking))
    except _FoundError:
        if finder.request is not None:
            return finder.request
        raise
    except NotKeptError as error:
        raise PrerequisiteError(
            f"{prompt.prompt_id} builds on the answer to {error.step}, and none of {asking.settings.model} "
            f"is kept for {case.subject.name}: run `mmke draft {case.subject.category}` first"
        ) from error
    if isinstance(ended, StepFailed):
        raise PrerequisiteError(
            f"{case.subject.name} does not come to {prompt.prompt_id}: {ended.rejected.detail}"
        )
    raise PrerequisiteError(
        f"{case.subject.name} is a {case.subject.edit_type.value} item: no step of it uses {prompt.name}"
    )


@dataclass
class Trial:
    """What one try of a prompt gave.

    calls: each question, a repair included. answer: its text as it came. failed: why its step gave nothing.
    findings: what the checks say of that step's part of the item, None where the item could not be put
    together from the kept answers to the later steps.
    """

    calls: list[DraftCall] = field(default_factory=list)
    answer: str = ""
    failed: Rejected | None = None
    findings: tuple[Finding, ...] | None = None


class _Tryer:
    """Asks the model for one prompt; the steps before and after it have their kept answers."""

    def __init__(
        self, model: LanguageModel, responses: Responses, prompt: Prompt, draft: KeptDraft | None
    ) -> None:
        self._model = model
        self._responses = responses
        self._kept = KeptAnswers(responses)
        self._prompt = prompt
        self._later = {one.step: one.request_sha256 for one in draft.provenance} if draft else {}
        self.answer: LlmResponse | None = None

    async def complete(self, request: LlmRequest) -> LlmResponse:
        if request.prompt_id == self._prompt.prompt_id:
            self.answer = await self._model.complete(request)
            return self.answer
        if self.answer is None:
            return await self._kept.complete(request)
        step = request.prompt_id.rpartition(".v")[0]
        data = self._responses.get(self._later[step]) if step in self._later else None
        if data is None:
            raise NotKeptError(step)
        return read_response(data.decode("utf-8"))


async def try_prompt(settings: Settings, prompt: Prompt, case: Case, model: LanguageModel) -> Trial:
    """Ask a model once with a prompt, for one item; the raw answer is kept, and no item changes.

    Raises PrerequisiteError as request_of does, and what the model raises.
    """
    request_of_this = await asyncio.to_thread(request_of, settings, prompt, case)
    trial = Trial()
    tryer = _Tryer(model, Responses(artefacts(settings)), prompt, case.draft)
    asking = Asking(tryer, writer_of(settings), record=trial.calls.append, prompts=case.prompts(prompt))
    try:
        ended = await case.walk(asking)
    except NotKeptError:
        ended = None
    trial.calls = [call for call in trial.calls if call.prompt_id == request_of_this.prompt_id]
    trial.answer = tryer.answer.text if tryer.answer is not None else ""
    step = step_of_prompt(prompt.name)
    if isinstance(ended, StepFailed) and ended.step is step:
        trial.failed = ended.rejected
    elif isinstance(ended, Drafted):
        trial.findings = tuple(one for one in ended.findings if step_of(one, ended.item) is step)
    return trial
