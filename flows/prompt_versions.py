"""Compares two versions of a prompt: their texts, their answers to the same items, and how those passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff

from curation.drafting.checks import NAMES
from curation.drafting.llm import read_response
from curation.drafting.repair import KeptDraft
from curation.drafting.steps.prompting import Prompt
from curation.ids import sha256_json
from flows.settings import Settings
from flows.wiring import artefacts
from warehouse.artefacts import Responses
from warehouse.store import read_store


@dataclass(frozen=True)
class Version:
    """What one version of a prompt gave: its answer for each subject, and the draft that it had a part in."""

    answers: dict[str, str]
    drafts: dict[str, KeptDraft]


@dataclass(frozen=True)
class Comparison:
    """Two versions on the same items: their ids, the answers, and for each check the passes of each.

    passed: (check, passes of the first, passes of the second); 'all checks' comes last. items: how many
    drafts of each version had an item to check.
    """

    subjects: tuple[str, ...]
    first: Version
    second: Version
    passed: tuple[tuple[str, int, int], ...]
    items: tuple[int, int]


def text_difference(first: Prompt, second: Prompt) -> list[str]:
    """Return the lines by which two prompts differ, as a unified diff."""
    return list(
        unified_diff(
            first.text.splitlines(),
            second.text.splitlines(),
            first.prompt_id,
            second.prompt_id,
            "",
            "",
            1,
            "",
        )
    )


def compare(settings: Settings, first: Prompt, second: Prompt, items: int) -> Comparison:
    """Return how two versions fared on the subjects that have drafts with both, always the same ones."""
    responses = Responses(artefacts(settings))
    with read_store(settings.home) as store:
        drafts = [KeptDraft.model_validate(row) for row in store.payloads("draft").values()]
    versions = [_version(drafts, prompt, responses) for prompt in (first, second)]
    both = set(versions[0].answers) & set(versions[1].answers)
    chosen = tuple(sorted(both, key=lambda subject: sha256_json(["prompt diff", subject]))[:items])
    checked = [
        [draft for key in chosen if (draft := version.drafts[key]).item is not None] for version in versions
    ]
    return Comparison(chosen, versions[0], versions[1], _passed(*checked), (len(checked[0]), len(checked[1])))


def _version(drafts: Sequence[KeptDraft], prompt: Prompt, responses: Responses) -> Version:
    """Return the newest draft of each subject that a prompt had a part in, and what it answered there."""
    answers: dict[str, str] = {}
    newest: dict[str, KeptDraft] = {}
    for draft in sorted(drafts, key=lambda one: one.draw):
        for one in draft.provenance:
            data = responses.get(one.request_sha256) if one.prompt_id == prompt.prompt_id else None
            if data is not None:
                answers[draft.subject_id] = read_response(data.decode("utf-8")).text
                newest[draft.subject_id] = draft
    return Version(answers, newest)


def _passed(first: Sequence[KeptDraft], second: Sequence[KeptDraft]) -> tuple[tuple[str, int, int], ...]:
    def passes(drafts: Sequence[KeptDraft], check: str) -> int:
        return sum(all(finding.check != check for finding in draft.findings) for draft in drafts)

    rows = [(check, passes(first, check), passes(second, check)) for check in NAMES]
    whole = [sum(not draft.findings for draft in drafts) for drafts in (first, second)]
    return (*rows, ("all checks", whole[0], whole[1]))
