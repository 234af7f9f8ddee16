"""What the votes say, read from the warehouse: agreement, pace, effect, and where people differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from curation.records import AgreementRow, Annotation, KnowledgeItem, Verdict
from curation.reviewing.agreement import agreement, agreement_by_annotator, agreement_by_category
from curation.reviewing.disagreements import Disagreement, disagreements
from curation.reviewing.effect import Effect, Pace, effect, paces
from flows.draft import drafted
from flows.pull import verdicts_on, votes_on
from flows.settings import Settings
from warehouse.store import read_store

SHOWN = 5


@dataclass(frozen=True)
class Review:
    """Everything about the votes on the present wording of items.

    letters: what an annotator is called where names do not belong, by name.
    """

    items: Sequence[KnowledgeItem]
    controls: Sequence[AgreementRow]
    categories: Sequence[AgreementRow]
    annotators: Sequence[AgreementRow]
    paces: Sequence[Pace]
    category_paces: Sequence[Pace]
    effect: Effect
    disagreements: Sequence[Disagreement]
    letters: Mapping[str, str]


def read_review(settings: Settings) -> Review:
    """Return what the stored votes say; nothing is asked of Label Studio."""
    with read_store(settings.home) as store:
        items = drafted(store)
        votes, verdicts = votes_on(store, items), verdicts_on(store, items)
    return review_of(items, votes, verdicts)


def review_of(
    items: Sequence[KnowledgeItem], votes: Sequence[Annotation], verdicts: Sequence[Verdict]
) -> Review:
    """Return what votes on the present wording of items say."""
    category_of = {item.item_id: item.category for item in items}
    names = sorted({vote.annotator for vote in votes})
    return Review(
        items=items,
        controls=agreement(votes),
        categories=agreement_by_category(votes, category_of),
        annotators=agreement_by_annotator(votes),
        paces=paces(votes, {vote.annotation_id: vote.annotator for vote in votes}),
        category_paces=paces(
            votes, {vote.annotation_id: category_of.get(vote.item_id, "") for vote in votes}
        ),
        effect=effect(items, verdicts, votes),
        disagreements=disagreements(items, votes, SHOWN),
        letters={name: _letter(number) for number, name in enumerate(names)},
    )


def _letter(number: int) -> str:
    """Return A, B, ... Z, AA, AB, ..."""
    first, rest = divmod(number, len(ascii_uppercase))
    return (_letter(first - 1) if first else "") + ascii_uppercase[rest]


def state_rows(review: Review) -> list[tuple[str, str]]:
    """Return what the verdicts come to and what they changed, as (name, value) for people."""
    said = review.effect
    rows = [(state, str(number)) for state, number in said.states.items()]
    if said.changed.value is not None:
        rows.append(("changed or rejected by people", _share(said.changed.part, said.changed.whole)))
    if said.faulted.value is not None:
        rows.append(("votes against a reliability answer", _share(said.faulted.part, said.faulted.whole)))
    if said.still_original.value is not None:
        rows.append(
            (
                "of these, the answer before the edit",
                _share(said.still_original.part, said.still_original.whole),
            )
        )
    rows += [(f"fixed: {place}", str(number)) for place, number in said.fixes.items()]
    rows += [(f"reason: {reason}", str(number)) for reason, number in sorted(said.reasons.items())]
    return [*rows, ("hours of votes", f"{said.hours:.2f}")]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.1f} %)"
