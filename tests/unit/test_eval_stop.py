"""A terminated evaluation leaves with 143, whole record files only, and is finished by the next run."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from curation.records import Split
from eval.cases import edit_cases
from eval.editors.fine_tuning import FineTuning
from eval.editors.ft_llm import FtLlm
from eval.editors.none import NoEdit
from eval.models.tiny import Family, prepare_runtime
from eval.plan import Options
from eval.runner import SingleRun, run_all
from eval.storage import read_records
from tests.unit.eval_release import make_release
from tests.unit.tiny_networks import split

ROOT = Path(__file__).resolve().parents[2]
# As flows.cli.main does it, over a run that is long enough to be hit in the middle.
SCRIPT = """
import signal, sys
from pathlib import Path
from flows.cli import _terminated
signal.signal(signal.SIGTERM, _terminated)
from tests.unit.test_eval_stop import open_run
from eval.runner import run_all
run_all(open_run(Path(sys.argv[1])), lambda *_: None)
"""


def open_run(out: Path) -> SingleRun:
    prepare_runtime()
    editors = [NoEdit(), FtLlm(FineTuning(60, 1e-2))]
    return SingleRun(make_release(6, 3, 3), split(Family.LLAVA), editors, Options(tokens=0, block=2), out)


def terminated(out: Path) -> int:
    """Run in a process of its own, terminate it once a file is there, and return the exit code."""
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(out)], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 200
        while time.monotonic() < end and process.poll() is None:
            if len(list(out.glob("records/*.zst"))) >= 3:
                process.send_signal(signal.SIGTERM)
                break
            time.sleep(0.02)
        return process.wait(60)
    finally:
        process.kill()


def test_sigterm_loses_no_record_and_keeps_no_half_of_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert terminated(out) == 143
    assert not list(out.rglob(".part-*"))
    stopped = {record.key: record for record in read_records(out)}
    assert not list(out.rglob("*.damaged"))
    cases = list(edit_cases(make_release(6, 3, 3), Split.EVAL))
    assert 4 <= len(stopped) < 2 * len(cases)
    rest, whole = open_run(out), open_run(tmp_path / "whole")
    run_all(rest, lambda *_: None)
    run_all(whole, lambda *_: None)
    found = {record.key: record for record in read_records(out)}
    assert stopped.items() <= found.items()
    assert found == {record.key: record for record in read_records(tmp_path / "whole")}
