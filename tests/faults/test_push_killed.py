"""A push killed right after its POST, server and all, is repeated without doubling anything."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from curation.reviewing.label_studio import LabelStudioDesk
from curation.reviewing.server import label_studio
from tests.conftest import TEMPLATES
from tests.review_samples import PICTURES, item, task

PUSH = """
import os, signal, sys
from pathlib import Path
from curation.reviewing.label_studio import LabelStudioDesk
from curation.reviewing.server import label_studio
from tests.review_samples import PICTURES, item, task
with label_studio(*map(Path, sys.argv[1:4])) as server:
    desk = LabelStudioDesk(server.url, server.token, server.files, "killed")
    real = desk._client.projects.import_tasks
    def killed(**request):
        real(**request)
        print(server.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    desk._client.projects.import_tasks = killed
    desk.push([task(item(f"itm-{number}")) for number in range(20)], PICTURES.__getitem__)
"""


@pytest.mark.label_studio
def test_a_push_killed_after_its_post_is_repeated_without_doubles(
    label_studio_executable: Path, tmp_path: Path
) -> None:
    places = [label_studio_executable, tmp_path / "home", TEMPLATES]
    command = [sys.executable, "-c", PUSH, *map(str, places)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    left = int(ended.stdout)
    assert Path(f"/proc/{left}").exists()
    with label_studio(*places) as server:
        desk = LabelStudioDesk(server.url, server.token, server.files, "killed")
        report = desk.push([task(item(f"itm-{number}")) for number in range(20)], PICTURES.__getitem__)
    assert (report.created, len(report.existing)) == ((), 20)
    still = Path(f"/proc/{left}/cmdline")
    assert not still.exists() or not still.read_bytes()
