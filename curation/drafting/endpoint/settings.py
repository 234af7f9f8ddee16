"""What a curator sets of the language model, as the table [llm] of mmke.toml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from curation.records import Record


class LlmSettings(Record):
    """The table [llm] of mmke.toml; the endpoint's address and key stay in the environment.

    drafter: 'auto' is the endpoint that the environment names, and the embedded rule drafter where it names
    none; 'rules' is always that one, 'local-llm' the small model of `make local-llm`.
    model: the name that is asked for at the endpoint (the embedded rule drafter has its own). api: Chat
    Completions, which nearly every endpoint speaks, or the Responses API. in_flight: requests at once, at
    most. timeout_seconds: for one whole answer. run_seconds: after which a run asks nothing more, None for
    never. temperature: None leaves it to the model, as models that
    reason want it. max_output_tokens: of one answer, None for what its prompt says; models that reason count
    that in. longer_output_tokens: with how many a cut answer is asked for once more, None for not at all.
    sees_pictures: whether pictures go along.
    store: ask the endpoint to keep its answers, so that one which was made but never arrived is fetched and
    not paid again. Chat Completions can be listed by our own hash, and so are the default; the Responses API
    has no such list, so there a kill may cost what was in flight (told as possibly paid twice).
    """

    drafter: Literal["auto", "rules", "local-llm"] = "auto"
    model: str = Field(default="gpt-5-mini", min_length=1, max_length=200)
    api: Literal["chat", "responses"] = "chat"
    in_flight: int = Field(default=16, ge=1, le=1_000)
    timeout_seconds: float = Field(default=120.0, gt=0, le=3_600)
    run_seconds: float | None = Field(default=None, gt=0)
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_output_tokens: int | None = Field(default=None, ge=16, le=1_000_000)
    longer_output_tokens: int | None = Field(default=None, ge=16, le=1_000_000)
    sees_pictures: bool = True
    store: bool = True
