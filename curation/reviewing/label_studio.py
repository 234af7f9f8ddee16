"""The annotation desk on a Label Studio server, through its SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
import stamina

from curation.atomic import write_atomic
from curation.errors import ForgeError, IntegrityError, PrerequisiteError, TransientError
from curation.ids import sha256_bytes
from curation.records import ReviewTask
from curation.reviewing.desk import PushReport, RawAnnotation, raw_annotation
from curation.reviewing.interface import Interface, review_interface
from curation.reviewing.markup import picture_path
from curation.reviewing.pairs import PairTask

T = TypeVar("T")
Task = ReviewTask | PairTask

_BATCH = 250
_PAGE = 100
_SECONDS = 120
# the one spelling of a time that its filters understand
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
# a task's time of change may be written a little before its commit is visible to us
_REREAD = timedelta(minutes=2)
# what Label Studio adds on reading and changes with the clock is no part of an annotation
_KEPT = (
    "id",
    "result",
    "was_cancelled",
    "ground_truth",
    "created_at",
    "updated_at",
    "lead_time",
    "completed_by",
    "updated_by",
    "parent_annotation",
    "task",
    "project",
)


class LabelStudioDesk:
    """One queue on a Label Studio server: a project of its own, found by title and interface version.

    url, api_key: the server, and a legacy or personal access token. files: the server's document root for
    local files, on this machine. overlap: how many annotators see a task. interface: the kind of task,
    by default items to verify.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        files: Path,
        title: str,
        queue: str = "review",
        overlap: int = 2,
        interface: Interface | None = None,
    ) -> None:
        """Keep the settings; the server is first asked on push or pull."""
        self._url = url
        self._api_key = api_key
        self._images = files.resolve() / "images"
        self._title = f"{title} - {queue}"
        self._queue = queue
        self._overlap = overlap
        self._interface = interface or review_interface()

    @cached_property
    def project_id(self) -> int:
        """The id of the queue's project, made on first use; a changed interface gets a new one.

        Raises PrerequisiteError (refused) and TransientError (unreachable).
        """
        marker = f"interface {self._interface.version}"
        found = self._read(lambda: list(self._client.projects.list(title=self._title)))
        for project in found:
            if project.title == self._title and marker in (project.description or ""):
                return int(project.id)
        with _translated():
            created = self._client.projects.create(
                title=self._title,
                description=f"MMKE Forge, {marker}",
                label_config=self._interface.config,
                expert_instruction=self._interface.guidelines,
                show_instruction=True,
                maximum_annotations=self._overlap,
                sampling="Sequential sampling",
                show_collab_predictions=False,
                show_skip_button=True,
                skip_queue="REQUEUE_FOR_OTHERS",
                enable_empty_annotation=False,
            )
        return int(created.id)

    def push(self, tasks: Sequence[Task], read_image: Callable[[str], bytes]) -> PushReport:
        """Put the tasks in the project, batch by batch; see AnnotationDesk.push."""
        wrong = next((task for task in tasks if task.queue != self._queue), None)
        if wrong is not None:
            raise ValueError(f"{wrong.task_key} is for the queue {wrong.queue}, not {self._queue}")
        created: list[str] = []
        existing: list[str] = []
        superseded: list[str] = []
        for start in range(0, len(tasks), _BATCH):
            batch = tasks[start : start + _BATCH]
            self._serve_images(batch, read_image)
            report = self._push_batch(batch)
            created.extend(report.created)
            existing.extend(report.existing)
            superseded.extend(report.superseded)
        return PushReport(tuple(created), tuple(existing), tuple(superseded))

    def pull(self, since: str | None) -> Iterator[RawAnnotation]:
        """Yield the project's annotations, in task and annotation order; see AnnotationDesk.pull."""
        users = self._read(lambda: {user.id: user.email for user in self._client.users.list()})
        changed = None
        if since is not None:
            start = datetime.fromisoformat(since).astimezone(UTC) - _REREAD
            changed = _filter("updated_at", "greater", start.strftime(_TIME), "Datetime")
        for task in sorted(self._tasks(changed, "all"), key=lambda task: int(task.id)):
            for annotation in sorted(task.annotations or [], key=lambda entry: int(entry["id"])):
                kept = {name: annotation.get(name) for name in _KEPT}
                email = users.get(annotation["completed_by"], f"user-{annotation['completed_by']}")
                yield raw_annotation(kept, task.data, str(email), self._queue)

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - the SDK's client, imported late
        # 3 s and 190 MB: only when a desk is really used
        from label_studio_sdk.client import LabelStudio

        session = httpx.Client(timeout=_SECONDS, trust_env=False)
        # its own retries repeat POSTs too, and so would double tasks
        return LabelStudio(base_url=self._url, api_key=self._api_key, httpx_client=session, max_retries=0)

    def _push_batch(self, batch: Sequence[Task]) -> PushReport:
        """Insert what the server lacks; asking first also heals a run killed after its POST."""
        wanted = {task.task_key: self._interface.data(task) for task in batch}
        items = sorted({data["item_id"] for data in wanted.values()})
        found = self._tasks(_filter("data.item_id", "in_list", items, "String"), "task_only")
        present = {str(task.data["task_key"]) for task in found}
        outdated = [task for task in found if task.data["task_key"] not in wanted and task.overlap != 0]
        missing = [key for key in wanted if key not in present]
        if missing:
            body = [{"data": wanted[key]} for key in missing]
            with _translated():
                self._client.projects.import_tasks(
                    id=self.project_id, request=body, return_task_ids=True, request_options={"max_retries": 0}
                )
        for task in outdated:
            self._supersede(task)
        for task in found:
            # an item that went back to an earlier revision
            if task.data["task_key"] in wanted and task.overlap == 0:
                self._reinstate(task)
        return PushReport(
            created=tuple(missing),
            existing=tuple(key for key in wanted if key in present),
            superseded=tuple(str(task.data["task_key"]) for task in outdated),
        )

    def _supersede(self, task: Any) -> None:  # noqa: ANN401 - an SDK task
        """Take an outdated task out of the queue; votes on it are kept, though they no longer count."""
        with _translated():
            if task.total_annotations or task.cancelled_annotations:
                self._client.tasks.update(id=str(task.id), overlap=0, is_labeled=True)
            else:
                self._client.tasks.delete(id=str(task.id))

    def _reinstate(self, task: Any) -> None:  # noqa: ANN401 - an SDK task
        with _translated():
            done = task.total_annotations >= self._overlap
            self._client.tasks.update(id=str(task.id), overlap=self._overlap, is_labeled=done)

    def _tasks(self, condition: dict[str, Any] | None, fields: str) -> list[Any]:
        query = json.dumps({"filters": condition}) if condition else None
        request = {"project": self.project_id, "fields": fields, "page_size": _PAGE, "query": query}
        given = {name: value for name, value in request.items() if value is not None}
        return self._read(lambda: list(self._client.tasks.list(**given)))

    def _serve_images(self, batch: Sequence[Task], read_image: Callable[[str], bytes]) -> None:
        """Write the pictures where the server finds them, and see that it really serves one."""
        names = sorted({sha256 for task in batch for sha256 in self._interface.pictures(task)})
        self._images.mkdir(parents=True, exist_ok=True)
        for sha256 in names:
            _write_picture(self._images / f"{sha256}.jpg", sha256, read_image)
        if not names:
            return
        self._register_images()
        headers = self._client._client_wrapper.get_headers()  # the SDK has no call for a served file
        request = httpx.Request("GET", f"{self._url}{picture_path(names[0])}", headers=headers)
        with _translated(), httpx.Client(timeout=_SECONDS, trust_env=False) as session:
            answer = session.send(request)
        if answer.status_code != 200 or sha256_bytes(answer.content) != names[0]:
            raise self._not_served()

    def _not_served(self) -> PrerequisiteError:
        return PrerequisiteError(
            f"Label Studio at {self._url} does not serve {self._images}: "
            f"start it with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={self._images.parent}"
        )

    def _register_images(self) -> None:
        """Give the project the right to read the folder; it is never synchronised into tasks."""
        folder = str(self._images)
        known = self._read(lambda: self._client.import_storage.local.list(project=self.project_id))
        if any(storage.path == folder for storage in known):
            return
        # it answers 400 to a folder outside its document root
        with _translated(refusal=self._not_served()):
            self._client.import_storage.local.create(
                project=self.project_id, path=folder, title="pictures", use_blob_urls=True
            )

    def _read(self, call: Callable[[], T]) -> T:
        """Ask the server, again after a failure that may pass: reading twice does no harm."""
        with _translated():
            for attempt in stamina.retry_context(on=_may_pass, attempts=4, timeout=60):
                with attempt:
                    return call()
        raise AssertionError("a retried call returns or raises")


def _filter(field: str, operator: str, value: object, kind: str) -> dict[str, Any]:
    item = {"filter": f"filter:tasks:{field}", "operator": operator, "type": kind, "value": value}
    return {"conjunction": "and", "items": [item]}


def _write_picture(path: Path, sha256: str, read_image: Callable[[str], bytes]) -> None:
    """Write a picture atomically unless it is there; the server shows what it is, so only JPEG gets in."""
    if path.is_file() and sha256_bytes(path.read_bytes()) == sha256:
        return
    data = read_image(sha256)
    if sha256_bytes(data) != sha256 or not data.startswith(b"\xff\xd8\xff"):
        raise IntegrityError(f"picture {sha256} is not the JPEG that its name says: restore it")
    write_atomic(path, data)


def _may_pass(error: Exception) -> bool:
    status = getattr(error, "status_code", None)
    return isinstance(error, httpx.TransportError) or (isinstance(status, int) and status >= 500)


@contextmanager
def _translated(refusal: ForgeError | None = None) -> Iterator[None]:
    """Turn the SDK's and httpx's errors into ours, without the headers that theirs quote.

    refusal: what a refusal means, where the caller knows better.
    """
    from label_studio_sdk.core.api_error import ApiError

    try:
        yield
    except httpx.TransportError as error:
        raise TransientError("Label Studio does not answer: start it and repeat the command") from error
    except ApiError as error:
        if error.status_code in (401, 403):
            raise PrerequisiteError(
                "Label Studio refuses the token: restore label-studio/account.json in the home folder"
            ) from None
        if _may_pass(error):
            raise TransientError(f"Label Studio failed (answer {error.status_code}): repeat it") from None
        said = f"Label Studio refused (answer {error.status_code}): {str(error.body)[:300]}"
        raise refusal or ForgeError(said) from None
