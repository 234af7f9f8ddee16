"""Finds what is drafted again because the user asks: by prompt or model, or what was turned down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from curation.drafting.repair import (
    KeptDraft,
    Redraft,
    Step,
    redrafts_after,
    redrafts_for_people,
    step_of_prompt,
)
from curation.drafting.steps.prompting import prompt_ids
from curation.errors import PrerequisiteError, Reason
from curation.records import Annotation, KnowledgeItem, Outcome, Verdict
from flows.settings import Settings
from warehouse.store import Store

STAGE, PULL = "draft", "pull"


class Books:
    """What the warehouse knows of earlier drafting."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        rows = store.rows("SELECT key, outcome, inputs FROM outcome WHERE stage = ?", [STAGE])
        self.outcomes: dict[str, tuple[str, str | None]] = {
            key: (state, inputs) for key, state, inputs in rows
        }
        self.draws: dict[str, int] = {}
        for (key,) in store.rows("SELECT DISTINCT key FROM event WHERE kind = 'draft'"):
            item, _, draw = key.rpartition("#")
            self.draws[item] = max(self.draws.get(item, 0), int(draw))

    def next_draw(self, subject_id: str) -> int:
        """Return the number of an item's next draft."""
        return self.draws.get(f"item-{subject_id}", -1) + 1

    def afresh(self, subject_id: str) -> tuple[Redraft, ...]:
        """Return how an item is drafted from its first step on; its earlier drafts keep their numbers."""
        draw = self.next_draw(subject_id)
        return (Redraft(step=Step.ORIGINAL, draw=draw),) if draw else ()

    def draft_of(self, item_id: str, draw: int) -> KeptDraft | None:
        """Return one draft of an item."""
        key = f"{item_id}#{draw}"
        found = self.store.known("draft", [key])
        return KeptDraft.model_validate(found[key]) if found else None

    def used(self, prompt_or_model: str) -> list[tuple[str, int]]:
        """Return subject and draw of the drafts at present in whose making a prompt or model had a part.

        A subject's draft at present is its item, and its newest draft where it has none.
        """
        return [
            (subject, draw)
            for subject, draw, prompts, models in self.made_by()
            if prompt_or_model in prompts or prompt_or_model in models
        ]

    def made_by(self) -> Iterable[tuple[str, int, list[str], list[str]]]:
        """Yield subject, draw, prompts and models of every subject's draft at present, in order."""
        kept = """
            SELECT payload ->> '$.subject_id', coalesce(CAST(payload ->> '$.draw' AS INTEGER), 0),
                   payload ->> '$.provenance[*].prompt_id', payload ->> '$.provenance[*].model'
            FROM current_event WHERE kind = ? ORDER BY 1, 2
        """
        found: dict[str, tuple[str, int, list[str], list[str]]] = {}
        states = {state for state, _ in self.outcomes.values()}
        for kind, state in (("draft", Outcome.REJECTED), ("item", Outcome.KEPT)):
            for row in self.store.rows(kept, [kind]) if state in states else ():
                if self.outcomes.get(row[0], ("",))[0] == state:
                    found[row[0]] = row
        return [found[key] for key in sorted(found)]


def made_with(prompt_or_model: str, books: Books) -> dict[str, tuple[Redraft, ...]]:
    """Return the subjects whose drafts were made with a prompt version or a model, and how to go on.

    Raises PrerequisiteError for one that no draft was made with.
    """
    made = list(books.made_by())
    models = {model for _, _, _, used in made for model in used}
    if prompt_or_model not in prompt_ids() and prompt_or_model not in models:
        shown = ", ".join(sorted({prompt for _, _, used, _ in made for prompt in used} | models))
        message = (
            f"no draft was made with {prompt_or_model!r}; drafts were made with {shown or 'nothing so far'}"
        )
        raise PrerequisiteError(message)
    step = Step.ORIGINAL if prompt_or_model in models else step_of_prompt(prompt_or_model)
    if step is None:
        raise PrerequisiteError(
            f"{prompt_or_model!r} is the prompt of no drafting step; nothing depends on it"
        )
    again = {}
    for subject, draw in books.used(prompt_or_model):
        before = books.draft_of(f"item-{subject}", draw)
        redrafts = before.redrafts if before else ()
        again[subject] = (*redrafts, Redraft(step=step, draw=max(books.next_draw(subject), 1)))
    return again


def turned_down(books: Books, told: list[str]) -> dict[str, tuple[Redraft, ...]]:
    """Return the subjects whose drafts checks or people turned down, and how to go on, told the reason.

    told: gets a line on those that are left alone: drafted often enough, or rejected for their pictures.
    """
    again: dict[str, tuple[Redraft, ...]] = {}
    most = books.settings.draft.draws
    spent = 0
    for subject, (state, _) in sorted(books.outcomes.items()):
        draw = books.next_draw(subject)
        if state != Outcome.REJECTED or draw == 0:
            continue
        spent += draw >= most
        before = books.draft_of(f"item-{subject}", draw - 1)
        if before is not None and draw < most:
            again[subject] = redrafts_after(before, draw)
    for item, votes in _rejected_by_people(books):
        draw = max(books.next_draw(item.subject_id), 1)
        if draw >= most:
            spent += 1
            continue
        before = books.draft_of(item.item_id, item.draw)
        redrafts = redrafts_for_people(item, before.redrafts if before else (), votes, draw)
        if redrafts is None:
            told.append(f"{item.item_id} was rejected for its pictures; no other draft would mend them")
        else:
            again[item.subject_id] = redrafts
    if spent:
        told.append(f"{spent} were turned down in each of {most} drafts and are left alone ([draft] draws)")
    return again


def _rejected_by_people(books: Books) -> list[tuple[KnowledgeItem, list[Annotation]]]:
    """Return the items that people rejected as they are at present, with the votes on them."""
    store = books.store
    by_people = "SELECT key FROM outcome WHERE stage = ? AND outcome = ? AND reason = ? ORDER BY key"
    keys = [key for (key,) in store.rows(by_people, [PULL, Outcome.REJECTED, Reason.REVIEWERS_REJECTED])]
    if not keys:
        return []
    verdicts = store.known("verdict", keys)
    items = [KnowledgeItem.model_validate(value) for _, value in sorted(store.known("item", keys).items())]
    votes: dict[str, list[Annotation]] = defaultdict(list)
    for value in store.payloads("annotation").values():
        vote = Annotation.model_validate(value)
        votes[vote.task_key].append(vote)
    return [
        (item, votes[item.task_key])
        for item in items
        if books.outcomes.get(item.subject_id, ("",))[0] == Outcome.KEPT
        and item.item_id in verdicts
        and Verdict.model_validate(verdicts[item.item_id]).task_key == item.task_key
    ]
