"""Finds a model's files, in a folder or on the hub, hashes them once, and reads their tensors."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING

from curation.atomic import write_atomic
from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import canonical_json

if TYPE_CHECKING:
    from torch import Tensor

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
_READ = ["*.json", "*.txt", "*.model", "*.safetensors"]
_CHUNK = 1 << 22
# Smaller files are hashed each time.
_WORTH_KEEPING = 1 << 20


def folder_of(source: str) -> Path:
    """Return the folder of a model: source itself, or the local snapshot of a hub name (owner/name@revision).

    A hub model is downloaded where the network allows it. Raises PrerequisiteError when there is neither.
    """
    folder = Path(source).expanduser()
    if source and folder.is_dir():
        return folder.resolve()
    if folder.is_file() or not _HUB_NAME.fullmatch(source):
        raise PrerequisiteError(
            f"there is no model folder {source}; "
            "give a folder, or a hub name such as llava-hf/llava-1.5-7b-hf"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    name, _, revision = source.partition("@")
    try:
        found = Path(snapshot_download(name, revision=revision or None, allow_patterns=_READ))
        if not any(found.glob("*.safetensors")):
            found = Path(snapshot_download(name, revision=revision or None, allow_patterns=[*_READ, "*.bin"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError, ValueError) as error:
        raise PrerequisiteError(
            f"there is no folder {source}, and the hub gives no model of this name ({type(error).__name__}); "
            f"run `hf download {name} --local-dir FOLDER` where there is network, and give that folder"
        ) from error
    return found


def revision_of(folder: Path) -> str | None:
    """Return owner--name@commit of a folder of the hub's cache, None for any other folder."""
    parts = folder.parts
    if len(parts) > 2 and parts[-2] == "snapshots" and re.fullmatch(r"[0-9a-f]{40}", parts[-1]):
        return f"{parts[-3].removeprefix('models--')}@{parts[-1]}"
    return None


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a folder, all that its index names or its only one; else the .bin ones.

    Raises PrerequisiteError when there are none, or one that an index names is not there.
    """
    for stem, suffix in (("model", "safetensors"), ("pytorch_model", "bin")):
        index = folder / f"{stem}.{suffix}.index.json"
        if index.is_file():
            return _indexed(index)
        if (folder / f"{stem}.{suffix}").is_file():
            return [folder / f"{stem}.{suffix}"]
    raise PrerequisiteError(f"{folder} has no model.safetensors and no pytorch_model.bin; download it again")


def sha256_of_file(path: Path, cache: Path) -> str:
    """Return the sha256 of a file's bytes, read in pieces.

    cache: folder whose file-hashes.json keeps the hash of a large file, by path, size and time of change.
    """
    state = path.stat()
    known = cache / "file-hashes.json"
    place, stamp = str(path.resolve()), [state.st_size, state.st_mtime_ns]
    kept = _kept(known) if state.st_size >= _WORTH_KEEPING else {}
    entry = kept.get(place)
    if isinstance(entry, list) and len(entry) == 3 and entry[:2] == stamp:
        return str(entry[2])
    total = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            total.update(piece)
    if state.st_size >= _WORTH_KEEPING:
        known.parent.mkdir(parents=True, exist_ok=True)
        entries = {**_kept(known), place: [*stamp, total.hexdigest()]}
        write_atomic(known, canonical_json(entries).encode())
    return total.hexdigest()


def tensors_of(file: Path) -> dict[str, Tensor]:
    """Return the named tensors of a safetensors file, or of a pickled one or of its 'model'.

    Raises PrerequisiteError when there is no such file, IntegrityError when it is damaged or, pickled, holds
    more than tensors: nothing of that is run.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not file.is_file():
        raise PrerequisiteError(f"there is no file {file}")
    try:
        if file.suffix == ".safetensors":
            return dict(load_file(file))
        state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise IntegrityError(f"{file} is a pickle of more than tensors, or none; it is not read") from error
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise IntegrityError(f"{file} is damaged: {error}") from error
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict):
        raise IntegrityError(f"{file} is no checkpoint of named tensors")
    return {str(key): one for key, one in state.items() if isinstance(one, torch.Tensor)}


def _indexed(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PrerequisiteError(f"{index} cannot be read; download the model again") from error
    files = [index.parent / Path(str(name)).name for name in names]
    lacking = [file.name for file in files if not file.is_file()]
    if lacking or not files:
        told = ", ".join(lacking) or "every weight file"
        raise PrerequisiteError(f"{index.parent} lacks {told}; download the model again")
    return files


def _kept(known: Path) -> dict[str, object]:
    """Return the kept hashes, none when the file is damaged."""
    try:
        entries = json.loads(known.read_bytes())
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}
