"""The port to the people who verify drafts: push tasks to a desk, pull what was said about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from curation.ids import canonical_json
from curation.records import ReviewTask


@dataclass(frozen=True)
class PushReport:
    """What a push did, as task keys: created, there already, and old revisions taken out of the queue."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    superseded: tuple[str, ...] = ()


@dataclass(frozen=True)
class RawAnnotation:
    """An annotation as it was read, before anything is made of it.

    raw: canonical JSON of {annotation, task, annotator, queue}; the bytes to keep. updated_at: ISO 8601.
    """

    annotation_id: str
    task_key: str
    queue: str
    updated_at: str
    annotator: str
    raw: bytes


def raw_annotation(
    annotation: dict[str, Any], task_data: dict[str, Any], annotator: str, queue: str
) -> RawAnnotation:
    """Return the raw record of an annotation and the keys of the task that it was made on."""
    keys = ("task_key", "item_id", "probe_ids", "image_roles")
    task = {key: task_data.get(key) for key in keys}
    task |= {key: task_data[key] for key in ("first", "second") if key in task_data}  # of a pair
    payload = {"annotation": annotation, "task": task, "annotator": annotator, "queue": queue}
    return RawAnnotation(
        annotation_id=str(annotation["id"]),
        task_key=str(task["task_key"]),
        queue=queue,
        updated_at=str(annotation["updated_at"]),
        annotator=annotator,
        raw=canonical_json(payload).encode("utf-8"),
    )


class AnnotationDesk(Protocol):
    """Where people verify; idempotent by task key, so that a killed push is simply repeated."""

    def push(self, tasks: Sequence[ReviewTask], read_image: Callable[[str], bytes]) -> PushReport:
        """Put tasks before people; read_image(sha256) returns the JPEG bytes of a picture.

        Raises PrerequisiteError (the desk refuses us), TransientError (push again later) and
        IntegrityError (a picture is not what its hash says).
        """
        ...

    def pull(self, since: str | None) -> Iterator[RawAnnotation]:
        """Yield the annotations of tasks that changed since a time (ISO 8601), or all with None.

        An annotation is yielded again whenever its task changed: keep them by (annotation_id,
        updated_at). Deletions show only in a full pull: what it leaves out no longer counts.
        """
        ...
