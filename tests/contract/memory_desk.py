"""An annotation desk in memory, which passes the same contract tests as Label Studio."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from curation.errors import IntegrityError
from curation.ids import sha256_bytes
from curation.records import ReviewTask
from curation.reviewing.desk import PushReport, RawAnnotation, raw_annotation
from curation.reviewing.forms import Form, to_result
from curation.reviewing.interface import task_data

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class MemoryTask:
    """A task on the desk; retired when a newer revision of its item came."""

    data: dict[str, Any]
    retired: bool = False
    annotations: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    changed: datetime = START


class MemoryDesk:
    """AnnotationDesk, and the hands of annotators at it."""

    def __init__(self, queue: str = "review", overlap: int = 2) -> None:
        self._queue = queue
        self._overlap = overlap
        self._tasks: dict[str, MemoryTask] = {}
        self._clock = 0
        self._last_id = 0

    def push(self, tasks: Sequence[ReviewTask], read_image: Callable[[str], bytes]) -> PushReport:
        for sha256 in {image.sha256 for task in tasks for image in task.item.images}:
            if sha256_bytes(read_image(sha256)) != sha256:
                raise IntegrityError(f"picture {sha256} is not what its name says: restore it")
        created, existing, superseded = [], [], []
        for task in tasks:
            for key, other in self._tasks.items():
                if other.data["item_id"] == task.item.item_id and key != task.task_key and not other.retired:
                    other.retired = True
                    superseded.append(key)
            (existing if task.task_key in self._tasks else created).append(task.task_key)
            self._tasks.setdefault(task.task_key, MemoryTask(task_data(task))).retired = False
        return PushReport(tuple(created), tuple(existing), tuple(superseded))

    def pull(self, since: str | None) -> Iterator[RawAnnotation]:
        after = datetime.fromisoformat(since) if since else datetime.min.replace(tzinfo=UTC)
        for task in self._tasks.values():
            if task.changed > after:
                for annotator, annotation in task.annotations.values():
                    yield raw_annotation(annotation, task.data, annotator, self._queue)

    def offered(self, annotator: str) -> set[str]:
        """Return the keys of the tasks that this annotator would be given."""
        return {
            key
            for key, task in self._tasks.items()
            if not task.retired
            and len(task.annotations) < self._overlap
            and all(name != annotator for name, _ in task.annotations.values())
        }

    def submit(self, task_key: str, annotator: str, form: Form | None) -> str:
        """Let an annotator vote (None: skip); returns the annotation id."""
        self._last_id += 1
        return self._put(task_key, self._last_id, annotator, form)

    def edit(self, annotation_id: str, form: Form) -> None:
        """Let the annotator change a vote."""
        task_key, (annotator, _) = self._find(annotation_id)
        self._put(task_key, int(annotation_id), annotator, form)

    def delete(self, annotation_id: str) -> None:
        """Let the annotator take a vote back."""
        task_key, _ = self._find(annotation_id)
        del self._tasks[task_key].annotations[int(annotation_id)]
        self._tasks[task_key].changed = self._now()

    def _put(self, task_key: str, number: int, annotator: str, form: Form | None) -> str:
        task = self._tasks[task_key]
        task.changed = self._now()
        annotation = {
            "id": number,
            "result": to_result(form) if form else [],
            "was_cancelled": form is None,
            "lead_time": 1.5,
            "updated_at": task.changed.isoformat(),
        }
        task.annotations[number] = (annotator, annotation)
        return str(number)

    def _find(self, annotation_id: str) -> tuple[str, tuple[str, dict[str, Any]]]:
        return next(
            (key, task.annotations[int(annotation_id)])
            for key, task in self._tasks.items()
            if int(annotation_id) in task.annotations
        )

    def _now(self) -> datetime:
        self._clock += 1
        return START + timedelta(seconds=self._clock)
