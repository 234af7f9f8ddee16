"""Decides what a drafting run does: which subjects are drafted, from which step, and which are left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from curation.drafting.casting import Roles, roles
from curation.drafting.repair import Redraft
from curation.drafting.steps.prompting import load_prompt
from curation.errors import PrerequisiteError, Rejected
from curation.ids import sha256_json
from curation.records import ImageAsset, Outcome, Subject
from curation.taxonomy import load_taxonomy
from flows.dedupe import unique_pictures
from flows.drafting.again import Books, made_with, turned_down
from flows.ledger import SUBJECTS
from flows.settings import Settings
from flows.wiring import is_own, writer_of
from warehouse.store import Store


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
    books = Books(store, settings)
    again = turned_down(books, plan.told) if scope.redo_rejected else {}
    if scope.redo_from:
        again |= made_with(scope.redo_from, books)
    for subject in chosen:
        _settle(plan, subject, parts[subject.subject_id], inputs[subject.subject_id], books, again)
    return plan


def _settle(
    plan: Plan,
    subject: Subject,
    found: Roles | Rejected,
    inputs: str,
    books: Books,
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


def newer_prompts(store: Store, settings: Settings) -> list[str]:
    """Return a line for each prompt and each model of our own that drafts were made with and others replace.

    Nothing is drafted again because of them; the lines tell how to ask for it.
    """
    prompts: Counter[str] = Counter()
    models: Counter[str] = Counter()
    for _, _, used, made_by in Books(store, settings).made_by():
        prompts.update(set(used))
        models.update(set(made_by))
    lines = []
    for prompt_id, number in sorted(prompts.items()):
        name, _, version = prompt_id.rpartition(".v")
        newest = load_prompt(name).prompt_id.rpartition(".v")[2]
        if int(newest) > int(version):
            lines.append(
                f"{number} items were drafted with {prompt_id}; v{newest} is newer: "
                f"mmke draft --redo-from {prompt_id}"
            )
    who = writer_of(settings).model
    for model, number in sorted(models.items()):
        if is_own(model) and model != who:
            lines.append(f"{number} items were drafted by {model}; for {who}: mmke draft --redo-from {model}")
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
