"""What a tiny model is taught: the release's original knowledge, and never an edit of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from curation.records import ImageRole, ItemImage, KnowledgeItem, Probe, ProbeKind, ReleasedItem
from eval.models.tokens import Segment

NAMING = "What is shown in the image?"


@dataclass(frozen=True)
class Lesson:
    """One training sequence: its text in pieces, the digest of its picture, and whose knowledge it is.

    about: item id, by which in-context lessons pick what a new fact must not touch.
    """

    segments: tuple[Segment, ...]
    image: str | None
    about: str

    @property
    def question(self) -> str:
        """Return what is asked."""
        return self.segments[0].text

    @property
    def answer(self) -> str:
        """Return what is to be said."""
        return self.segments[-1].text.strip()


@dataclass(frozen=True)
class Lessons:
    """naming: picture -> what it shows. seeing: other questions on pictures. reading: questions without one.

    telling: whole paragraphs, apart because a step can hold only few of them.
    """

    naming: tuple[Lesson, ...]
    seeing: tuple[Lesson, ...]
    reading: tuple[Lesson, ...]
    telling: tuple[Lesson, ...]

    def kinds(self) -> dict[str, tuple[Lesson, ...]]:
        """Return the lessons by the name of their kind."""
        return {
            "naming": self.naming,
            "seeing": self.seeing,
            "reading": self.reading,
            "telling": self.telling,
        }

    def those(self, wanted: Callable[[Lesson], bool]) -> Lessons:
        """Return the wanted lessons of each kind, in order."""
        return Lessons(**{name: tuple(filter(wanted, kind)) for name, kind in self.kinds().items()})

    def texts(self) -> list[str]:
        """Return every text in them once, in order: what the tokeniser is trained on."""
        lessons = [one for kind in self.kinds().values() for one in kind]
        return list(dict.fromkeys(segment.text for one in lessons for segment in one.segments))


def lesson(question: str, answer: str, image: str | None, about: str) -> Lesson:
    """Return a question with its answer as a training sequence."""
    return Lesson((Segment(question), Segment(f" {answer}", answer=True)), image, about)


def original_knowledge(entries: Sequence[ReleasedItem]) -> Lessons:
    """Return what the release says about the world before any edit.

    A picture teaches about the subject that it truly shows, which for the edit and rephrase pictures of
    an entity is the stand-in; edited texts and answers of no split are among the lessons.
    """
    items = [entry.item for entry in entries]
    shown = _pictures_by_subject(items)
    naming, seeing, reading, telling = [], [], [], []
    for item in items:
        pictures = shown.get(item.subject_id, ())
        naming += [lesson(NAMING, item.subject_name, picture, item.item_id) for picture in pictures]
        telling += [lesson(item.request, item.original_text, picture, item.item_id) for picture in pictures]
        for probe in item.probes:
            seeing += _seen(item, probe, pictures)
            if probe.image_role is None and (answer := original_answer(probe)):
                reading.append(lesson(probe.question, answer, None, item.item_id))
        reading.append(
            lesson(f"Please introduce {item.subject_name}.", item.original_text, None, item.item_id)
        )
    return Lessons(_once(naming), _once(seeing), _once(reading), _once(telling))


def original_answer(probe: Probe) -> str | None:
    """Return what holds before the edit; a locality answer holds before and after it."""
    if probe.kind in {ProbeKind.T_LOC, ProbeKind.I_LOC}:
        return probe.answer
    return probe.original_answer


def _seen(item: KnowledgeItem, probe: Probe, pictures: Sequence[str]) -> list[Lesson]:
    """Return a picture question on every picture for which its original answer is true."""
    answer = original_answer(probe)
    own = item.image(probe.image_role) if probe.image_role is not None else None
    if answer is None or own is None:
        return []
    # A locality or composite picture is asked about itself; the others may show a stand-in.
    about_itself = probe.kind is ProbeKind.I_LOC or own.role is ImageRole.ONE_HOP
    asked_on = [own.sha256] if about_itself else pictures
    return [lesson(probe.question, answer, image, item.item_id) for image in asked_on]


def _pictures_by_subject(items: Iterable[KnowledgeItem]) -> dict[str, tuple[str, ...]]:
    """Return the digests of the pictures that show each subject, composites left out."""
    shown: dict[str, dict[str, ItemImage]] = {}
    for item in items:
        for image in item.images:
            if image.role is not ImageRole.ONE_HOP:
                shown.setdefault(image.subject_id, {})[image.sha256] = image
    return {subject: tuple(sorted(images)) for subject, images in shown.items()}


def _once(lessons: Iterable[Lesson]) -> tuple[Lesson, ...]:
    """Return the lessons without those whose question is already answered otherwise on the same picture."""
    first: dict[tuple[str, str | None], Lesson] = {}
    for one in lessons:
        first.setdefault((one.question, one.image), one)
    return tuple(first.values())
