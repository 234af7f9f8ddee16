"""Starts the rule endpoint as a child process for as long as a block runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from curation.drafting.endpoint.child import child_endpoint

_START_SECONDS = 40.0


@contextmanager
def rule_endpoint(ledger: Path) -> Iterator[tuple[str, str]]:
    """Yield (base_url, api_key) of a running rule endpoint that keeps its ledger in a file.

    Raises PrerequisiteError when it does not come up.
    """
    command = [sys.executable, "-m", "curation.drafting.rules.server", "--ledger", str(ledger)]
    with child_endpoint(command, "the rule endpoint", _START_SECONDS) as address:
        yield address
