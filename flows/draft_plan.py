"""Decides what a drafting run does: which subjects are drafted, from which step, and which are left alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from curation.drafting.casting import Roles, roles
from curation.drafting.prompting import load_prompt, prompt_ids
from curation.drafting.repair import (
    KeptDraft,
    Redraft,
    Step,
    redrafts_after,
    redrafts_for_people,
    step_of_prompt,
)
from curation.errors import PrerequisiteError, Reason, Rejected
from curation.ids import sha256_json
from curation.records import Annotation, ImageAsset, KnowledgeItem, Outcome, Subject, Verdict
from curation.taxonomy import load_taxonomy
from flows.dedupe import unique_pictures
from flows.ledger import SUBJECTS
from flows.settings import Settings
from warehouse.store import Store

STAGE, PULL = "draft", "pull"


@dataclass(frozen=True)
class DraftScope:
    """What part of the subjects a run drafts, and what it drafts again.

    only: keys of categories, all when empty. limit: at most so many subjects a category, the first by id.
    redo_from: a prompt version or a model; the drafts that it was used for are made anew. redo_rejected:
    those that a check or people turned down are made anew, told the reason.
    """

    only: frozenset[str] = frozenset()
    limit: int | None = None
    redo_from: str = ""
    redo_rejected: bool = False

    @property
    def whole(self) -> bool:
        """Return whether nothing is left out, so that what was not seen is there no more."""
        return not self.only and self.limit is None

    def of(self, subjects: Sequence[Subject], settings: Settings) -> list[Subject]:
        """Return the subjects of this run. Raises PrerequisiteError for a category that is not known."""
        known = load_taxonomy(settings.taxonomy)
        if missing := sorted(self.only - set(known)):
            message = f"there is no category {missing[0]!r}; `mmke taxonomy show` lists them"
            raise PrerequisiteError(message)
        taken: Counter[str] = Counter()
        found = []
        for subject in subjects:
            if self.only and subject.category not in self.only:
                continue
            taken[subject.category] += 1
            if self.limit is None or taken[subject.category] <= self.limit:
                found.append(subject)
        return found


@dataclass(frozen=True)
class Task:
    """A subject that is drafted in this run.

    inputs: hash of its texts and pictures. redrafts: how it comes to be drafted anew. stands: the outcome
    that holds until there is a new one, None for a first draft and where the inputs are others than before.
    """

    subject: Subject
    roles: Roles
    inputs: str
    redrafts: tuple[Redraft, ...] = ()
    stands: Outcome | None = None


@dataclass
class Plan:
    """What a run does. uncast: subjects without the pictures that an item needs, with the hash of inputs.

    settled: how many are left alone. changed: tasks whose texts or pictures are others than before. redone:
    tasks that were asked for again. told: lines for the user.
    """

    subjects: dict[str, Subject]
    in_scope: int = 0
    tasks: list[Task] = field(default_factory=list)
    uncast: list[tuple[Subject, Rejected, str]] = field(default_factory=list)
    settled: int = 0
    changed: int = 0
    redone: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """Return in one line what the run is about to do."""
        parts = [f"{len(self.tasks)} of {self.in_scope} subjects to draft"]
        parts += [f"{self.changed} of them because their texts or pictures changed"] if self.changed else []
        parts += [f"{self.redone} again, as asked for"] if self.redone else []
        parts += [f"{self.settled} are settled"] if self.settled else []
        parts += [f"{len(self.uncast)} lack the pictures for an item"] if self.uncast else []
        return "; ".join(parts)


def kept_subjects(store: Store) -> list[Subject]:
    """Return the subjects that the collect stage keeps at present, in id order."""
    states = store.outcomes(SUBJECTS)
    found = store.payloads("subject")
    return [Subject.model_validate(value) for key, value in found.items() if states.get(key) == Outcome.KEPT]


def make_plan(store: Store, settings: Settings, scope: DraftScope) -> Plan:
    """Return what a run does; a settled subject whose texts and pictures are the same is left alone.

    Raises PrerequisiteError for a category, prompt or model in the scope that nobody knows.
    """
    subjects, pictures = kept_subjects(store), unique_pictures(store)
    chosen = scope.of(subjects, settings)
    plan = Plan({subject.subject_id: subject for subject in subjects}, in_scope=len(chosen))
    parts = roles(subjects, pictures)
    inputs = _inputs(subjects, parts)
    books = _Books(store, settings)
    again = _asked_again(store, books, scope, plan)
    for subject in chosen:
        _settle(plan, subject, parts[subject.subject_id], inputs[subject.subject_id], books, again)
    return plan


def _settle(
    plan: Plan,
    subject: Subject,
    found: Roles | Rejected,
    inputs: str,
    books: _Books,
    again: Mapping[str, tuple[Redraft, ...]],
) -> None:
    """Put one subject where it belongs in the plan."""
    key = subject.subject_id
    outcome, before = books.outcomes.get(key, ("", None))
    if isinstance(found, Rejected):
        plan.uncast.append((subject, found, inputs))
        return
    is_settled = outcome in (Outcome.KEPT, Outcome.REJECTED)
    # A project that was drafted before inputs were noted keeps its items.
    if is_settled and before is not None and before != inputs:
        plan.changed += 1
        plan.tasks.append(Task(subject, found, inputs, books.afresh(key)))
    elif is_settled and key in again:
        plan.redone += 1
        plan.tasks.append(Task(subject, found, inputs, again[key], Outcome(outcome)))
    elif is_settled:
        plan.settled += 1
    else:
        plan.tasks.append(Task(subject, found, inputs, books.afresh(key)))


class _Books:
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
        for kind, state in (("draft", Outcome.REJECTED), ("item", Outcome.KEPT)):
            for row in self.store.rows(kept, [kind]):
                if self.outcomes.get(row[0], ("",))[0] == state:
                    found[row[0]] = row
        return [found[key] for key in sorted(found)]


def _asked_again(
    store: Store, books: _Books, scope: DraftScope, plan: Plan
) -> dict[str, tuple[Redraft, ...]]:
    """Return the settled subjects that the user wants again, and how."""
    again: dict[str, tuple[Redraft, ...]] = {}
    if scope.redo_rejected:
        again |= _turned_down(store, books, plan)
    if scope.redo_from:
        again |= _made_with(scope.redo_from, books)
    return again


def _made_with(prompt_or_model: str, books: _Books) -> dict[str, tuple[Redraft, ...]]:
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


def _turned_down(store: Store, books: _Books, plan: Plan) -> dict[str, tuple[Redraft, ...]]:
    """Return what checks or people turned down, each told the reason; what has had its draws is left."""
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
    for item, votes in _rejected_by_people(store, books):
        draw = max(books.next_draw(item.subject_id), 1)
        if draw >= most:
            spent += 1
            continue
        before = books.draft_of(item.item_id, item.draw)
        redrafts = redrafts_for_people(item, before.redrafts if before else (), votes, draw)
        if redrafts is None:
            plan.told.append(f"{item.item_id} was rejected for its pictures; no other draft would mend them")
        else:
            again[item.subject_id] = redrafts
    if spent:
        plan.told.append(
            f"{spent} were turned down in each of {most} drafts and are left alone ([draft] draws)"
        )
    return again


def _rejected_by_people(store: Store, books: _Books) -> list[tuple[KnowledgeItem, list[Annotation]]]:
    """Return the items that people rejected as they are at present, with the votes on them."""
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


def newer_prompts(store: Store, settings: Settings) -> list[str]:
    """Return a line for each prompt that items were drafted with and that has a newer version."""
    counted: Counter[str] = Counter()
    for _, _, prompts, _ in _Books(store, settings).made_by():
        counted.update(set(prompts))
    lines = []
    for prompt_id, number in sorted(counted.items()):
        name = prompt_id.rpartition(".")[0]
        newest = load_prompt(name).prompt_id
        if newest != prompt_id:
            version = newest.rpartition(".")[2]
            lines.append(
                f"{number} items were drafted with {prompt_id}; {version} is newer: "
                f"mmke draft --redo-from {prompt_id}"
            )
    return lines


def _inputs(subjects: Sequence[Subject], parts: Mapping[str, Roles | Rejected]) -> dict[str, str]:
    """Return the hash of the texts and pictures that each subject's item is made from."""
    texts = {subject.subject_id: sha256_json(subject.model_dump(mode="json")) for subject in subjects}

    def of(key: str, found: Roles | Rejected) -> str:
        if isinstance(found, Rejected):
            return sha256_json([texts[key], found.reason, found.detail])
        others = (found.shown, found.text_locality, found.image_locality)
        pictures = (found.edit, found.rephrase, found.locality, found.distractor)
        return sha256_json(
            [texts[key], [texts[other] for other in others], [_picture(one) for one in pictures]]
        )

    return {key: of(key, found) for key, found in parts.items()}


def _picture(asset: ImageAsset | None) -> list[str]:
    """Return what an item says of a picture."""
    if asset is None:
        return []
    told = (asset.image_id, asset.derivative_sha256, asset.subject_id, asset.licence, asset.attribution)
    return [*told, asset.source_page, asset.origin, asset.parent or ""]
