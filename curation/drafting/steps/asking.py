"""Asks a model one drafting step: request, answer, at most one repair; outcomes are values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from curation.drafting.batches.records import WaitingError
from curation.drafting.calls import AnswerOutcome, DraftCall
from curation.drafting.llm import ImagePart, LanguageModel, LlmRequest, LlmResponse, Message
from curation.drafting.steps.answers import Unread, read_answer
from curation.drafting.steps.prompting import Prompt, Value, load_prompt, render
from curation.drafting.steps.schemas import Draft, schema_named
from curation.errors import LimitReachedError, Reason, Rejected, TransientError
from curation.records import KnowledgeItem, Provenance, Subject, Usage

_TEMPERATURE = "temperature"
_MOST_TOKENS = "max_completion_tokens"
_AGAIN = (
    "An answer to this did not fit. `misfit` in the data block says why. Answer again, with one JSON object "
    "of exactly the form that the instructions give and nothing else."
)

Sound = Callable[[Draft], "tuple[Reason, str] | None"]
"""Says what is wrong with a draft that fits its schema, None when nothing is."""


@dataclass(frozen=True, slots=True)
class DraftSettings:
    """How drafts are made.

    drafter: 'rules', 'llm' or 'local-llm', as releases and reviewers show it. temperature: None leaves it to
    the model (some take no other). max_output_tokens: of one answer, None for what its prompt says.
    longer_output_tokens: with how many a cut answer is asked for once more, None for not at all.
    sees_pictures: whether pictures go along.
    """

    model: str
    drafter: str
    is_llm: bool
    temperature: float | None = None
    max_output_tokens: int | None = None
    longer_output_tokens: int | None = None
    sees_pictures: bool = False


def _forget(call: DraftCall) -> None:
    """Keep nothing of a question."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who is asked and how, where each question is written down, and which prompts are used.

    prompts: from the name of a step to its prompt.
    """

    model: LanguageModel
    settings: DraftSettings
    record: Callable[[DraftCall], None] = field(default=_forget)
    prompts: Callable[[str], Prompt] = field(default=load_prompt)


@dataclass(frozen=True, slots=True)
class Answered:
    """A step's answer that fits its schema, and how it came to be."""

    draft: Draft
    provenance: Provenance


async def ask(
    about: Subject | KnowledgeItem,
    step: str,
    values: Mapping[str, Value],
    asking: Asking,
    *,
    images: Sequence[ImagePart] = (),
    draw: int = 0,
    sound: Sound | None = None,
) -> Answered | Rejected:
    """Return the answer to a step's prompt, asked once more when it is not JSON or does not fit the schema.

    images: go along where the model sees pictures. draw: as in LlmRequest. sound: what must hold of the
    answer beyond its form; it is not asked for again. Reasons: refused, content_filter, truncated, not_json,
    schema_invalid and those of `sound`; a rejection's key is the subject's id. TransientError,
    LimitReachedError and PrerequisiteError of the model pass through.
    """
    question = _Question(about, step, asking)
    request = request_for(asking.prompts(step), values, asking.settings, images, draw)
    found, request = await question.put_with_room(request, sound)
    if isinstance(found, Unread) and found.outcome is AnswerOutcome.SCHEMA_INVALID:
        told = {**values, "misfit": found.detail}
        repair = request_for(asking.prompts(step), told, asking.settings, images, draw)
        repair = replace(repair, parameters=request.parameters)
        found, _ = await question.put_with_room(repair, sound, is_repair=True)
    if isinstance(found, Unread):
        return Rejected(about.subject_id, found.reason, f"{step}: {found.detail}")
    return found


@cache
def _json_schema(name: str) -> dict[str, Any]:
    """Return a schema as it is sent; made once, because making it takes longer than sending it."""
    return schema_named(name).model_json_schema()


def request_for(
    prompt: Prompt,
    values: Mapping[str, Value],
    settings: DraftSettings,
    images: Sequence[ImagePart] = (),
    draw: int = 0,
) -> LlmRequest:
    """Return the request that a prompt and its values make; the same ones always make the same.

    values: all that the step knows, of which a prompt takes those that it names; and `misfit` in a repair: a
    conversation of its own that never shows the answer which did not fit. Raises IntegrityError when a value
    that the prompt names is missing.
    """
    wanted = prompt.variables | {"misfit"}
    system, user = render(prompt, {k: v for k, v in values.items() if k in wanted}, also=("misfit",))
    messages = [system, replace(user, images=tuple(images) if settings.sees_pictures else ())]
    if "misfit" in values:
        messages.append(Message("user", _AGAIN))
    parameters: dict[str, float | int | str] = {
        _MOST_TOKENS: settings.max_output_tokens or prompt.defaults.max_output_tokens
    }
    if settings.temperature is not None:
        parameters[_TEMPERATURE] = settings.temperature
    return LlmRequest(
        prompt_id=prompt.prompt_id,
        prompt_sha256=prompt.sha256,
        messages=tuple(messages),
        model=settings.model,
        parameters=parameters,
        schema_name=prompt.schema_name,
        schema=_json_schema(prompt.schema_name),
        draw=draw,
    )


@dataclass(frozen=True, slots=True)
class _Question:
    """One step of one subject, put to the model; writes down how each request ended."""

    about: Subject | KnowledgeItem
    step: str
    asking: Asking

    async def put_with_room(
        self, request: LlmRequest, sound: Sound | None, *, is_repair: bool = False
    ) -> tuple[Answered | Unread, LlmRequest]:
        """Put a question, once more with more room where its answer was cut; return the last one too."""
        found = await self.put(request, sound, is_repair)
        longer = self.asking.settings.longer_output_tokens or 0
        is_cut = isinstance(found, Unread) and found.outcome is AnswerOutcome.TRUNCATED
        if is_cut and longer > int(request.parameters[_MOST_TOKENS]):
            request = replace(request, parameters={**request.parameters, _MOST_TOKENS: longer})
            found = await self.put(request, sound, is_repair)
        return found, request

    async def put(self, request: LlmRequest, sound: Sound | None, is_repair: bool) -> Answered | Unread:
        try:
            response = await self.asking.model.complete(request)
        except LimitReachedError as error:
            self._write(request, AnswerOutcome.BUDGET, str(error), None, is_repair)
            raise
        except WaitingError:  # the question is on its way: it has not ended yet
            raise
        except TransientError as error:
            self._write(request, AnswerOutcome.TRANSPORT_FAILED, str(error), None, is_repair)
            raise
        found = read_answer(response, schema_named(request.schema_name))
        if not isinstance(found, Unread) and sound is not None and (wrong := sound(found)) is not None:
            found = Unread(AnswerOutcome.CHECK_FAILED, *wrong)
        if isinstance(found, Unread):
            self._write(request, found.outcome, found.detail, response, is_repair)
            return found
        self._write(request, AnswerOutcome.OK, "", response, is_repair)
        return Answered(found, self._provenance(request, response))

    def _write(
        self,
        request: LlmRequest,
        outcome: AnswerOutcome,
        detail: str,
        response: LlmResponse | None,
        is_repair: bool,
    ) -> None:
        note = response.note if response is not None else None
        settings = self.asking.settings
        self.asking.record(
            DraftCall(
                subject_id=self.about.subject_id,
                edit_type=self.about.edit_type,
                category=self.about.category,
                step=self.step,
                prompt_id=request.prompt_id,
                model=response.model if response is not None and response.model else request.model,
                drafter=settings.drafter,
                draw=request.draw,
                is_repair=is_repair,
                outcome=outcome,
                detail=detail,
                usage=response.usage if response is not None else Usage(),
                cost=note.cost if note is not None else None,
                seconds=note.seconds if note is not None else None,
                in_batch=note is not None and note.in_batch,
                request_sha256=request.request_sha256,
                response_sha256=response.sha256 if response is not None else None,
            )
        )

    def _provenance(self, request: LlmRequest, response: LlmResponse) -> Provenance:
        settings = self.asking.settings
        return Provenance(
            step=self.step,
            prompt_id=request.prompt_id,
            prompt_sha256=request.prompt_sha256,
            model=response.model or request.model,
            drafter=settings.drafter,
            is_llm=settings.is_llm,
            parameters={**request.parameters, "draw": request.draw},
            request_sha256=request.request_sha256,
            response_sha256=response.sha256,
            usage=response.usage,
        )
