"""Keeps the tensors of a trained editor in one file: written atomically, checked when read, no pickle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from curation.atomic import write_atomic
from curation.errors import IntegrityError
from curation.ids import canonical_json, sha256_bytes, sha256_json
from eval.models.port import MultimodalModel
from eval.records import EVALUATOR_VERSION, Dialect

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from torch import Tensor

State = dict[str, "Tensor"]
Notes = dict[str, float | int | str | None]


def identity_of(
    release: str, model: MultimodalModel, dialect: Dialect, settings: DataclassInstance
) -> dict[str, object]:
    """Return everything that a trained state depends on: release (its sha256), model, dialect, settings."""
    return {
        "release": release,
        "model": model.digest,
        "dialect": dialect.value,
        "settings": asdict(settings),
        "evaluator": EVALUATOR_VERSION,
    }


@dataclass(frozen=True)
class TrainedState:
    """What a training left: tensors by name on the CPU, notes about it, and the sha256 of the tensors."""

    tensors: State
    notes: Notes
    digest: str


def save_state(path: Path, tensors: Mapping[str, Tensor], notes: Notes) -> None:
    """Write tensors and notes; a kill leaves the old file or the whole new one."""
    from safetensors.torch import save

    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    head = canonical_json({"notes": notes, "sha256": sha256_bytes(data)})
    write_atomic(path, head.encode() + b"\n" + data)


def load_state(path: Path) -> TrainedState | None:
    """Return what save_state wrote, None when there is no file or its bytes are not as written."""
    from safetensors.torch import load

    try:
        head, _, data = path.read_bytes().partition(b"\n")
        told = json.loads(head)
        digest, notes = told["sha256"], told["notes"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return TrainedState(load(data), notes, digest) if digest == sha256_bytes(data) else None


def cached(
    cache: Path,
    method: str,
    identity: Mapping[str, object],
    train: Callable[[Path], tuple[Mapping[str, Tensor], Notes]],
) -> TrainedState:
    """Return the trained state of a method; trains it unless the cache has it.

    identity: what identity_of returns; the library versions are added here. train is given the path
    of its checkpoint, and returns the tensors with notes on the training. A damaged file is trained anew.
    Raises IntegrityError when the file just written cannot be read back.
    """
    from eval.models.checkpoints import library_versions

    key = sha256_json({**identity, "versions": library_versions()})
    folder = cache / "editors" / f"{method.lower()}-{key[:16]}"
    file, checkpoint = folder / "trained.state", folder / "checkpoint.state"
    state = load_state(file)
    if state is None:
        tensors, notes = train(checkpoint)
        save_state(file, tensors, notes)
        checkpoint.unlink(missing_ok=True)
        state = load_state(file)
    if state is None:
        raise IntegrityError(f"{file} is not what was just written; check the disk, then evaluate again")
    return state
