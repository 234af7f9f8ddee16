"""Keeps models and half-trained models on disk: atomic, verified when read, safetensors only."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from curation.atomic import sync_folder, write_atomic
from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import canonical_json, sha256_bytes, sha256_json
from eval.models.network import Loaded, Network
from eval.models.tiny import Family, TinyShape, tiny_layout, tiny_pixels
from eval.models.tokens import TokenizerCodec

MANIFEST = "manifest.json"
_LIBRARIES = ("torch", "transformers", "tokenizers")


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that trained weights depend on.

    Raises PrerequisiteError when one is not installed.
    """
    try:
        return {name: metadata.version(name) for name in _LIBRARIES}
    except metadata.PackageNotFoundError as error:
        message = f"evaluation needs {error.name}; install the extra: pip install 'mmke-forge[eval]'"
        raise PrerequisiteError(message) from error


def save_model(folder: Path, module: Any, tokenizer: Any, quality: dict[str, float | int]) -> None:  # noqa: ANN401
    """Write weights, configuration, tokeniser and quality log; complete under its name, or not there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".saving-") as temporary:
        made = Path(temporary) / "model"
        module.save_pretrained(made)
        tokenizer.save(str(made / "tokenizer.json"))
        (made / "quality.json").write_text(canonical_json(quality) + "\n", encoding="utf-8")
        _seal(made)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
        sync_folder(folder.parent)


def load_model(folder: Path, shape: TinyShape, family: Family) -> Loaded | None:
    """Return the model in a folder, None when it is absent or any of its bytes is not as written."""
    if not _intact(folder):
        return None
    import transformers
    from tokenizers import Tokenizer

    codec = TokenizerCodec(Tokenizer.from_file(str(folder / "tokenizer.json")))
    name = "Llava" if family is Family.LLAVA else "Blip2"
    architecture = getattr(transformers, f"{name}ForConditionalGeneration")
    module = architecture.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    digest = sha256_bytes((folder / MANIFEST).read_bytes())
    layout = tiny_layout(shape, family, codec)
    return Loaded(module, layout, codec, tiny_pixels(shape, family), family.value, digest)


def quality_log(cache: Path, model: Loaded | Network) -> dict[str, float | int]:
    """Return what its training measured of a model. Raises IntegrityError when it is not in the cache."""
    for manifest in sorted((cache / "models").glob(f"*/{MANIFEST}")):
        if sha256_bytes(manifest.read_bytes()) == model.digest:
            log: dict[str, float | int] = json.loads(manifest.with_name("quality.json").read_text("utf-8"))
            return log
    raise IntegrityError(f"no model {model.digest[:16]} in {cache}; run mmke evaluate again")


def vanished(folder: Path) -> IntegrityError:
    """Return the error for a model that cannot be read back right after it was written."""
    return IntegrityError(
        f"{folder} is not what was just written there; check the disk, then run mmke evaluate again"
    )


def keep(work: Path, module: Any, optimizer: Any, step: int) -> None:  # noqa: ANN401
    """Write weights and optimiser state after so many steps, in the place of the earlier checkpoint."""
    from safetensors.torch import save

    tensors = {f"weight/{name}": tensor.detach().contiguous() for name, tensor in module.named_parameters()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"{name}/{number}": tensor.contiguous() for name, tensor in moments.items()}
    data = save(tensors)
    head = canonical_json({"step": step, "sha256": sha256_bytes(data)}).encode() + b"\n"
    write_atomic(work, head + data)


def restore(work: Path, module: Any, optimizer: Any) -> int:  # noqa: ANN401
    """Load a checkpoint and return its step; 0, and nothing loaded, when there is none or it is damaged."""
    import torch
    from safetensors.torch import load

    head, _, data = work.read_bytes().partition(b"\n") if work.is_file() else (b"", b"", b"")
    step = _step_of(head, data)
    if step == 0:
        return 0
    tensors = load(data)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(tensors[f"weight/{name}"])
    state = optimizer.state_dict()
    moments: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition("/")
        if kind != "weight":
            moments.setdefault(int(rest), {})[kind] = tensor
    optimizer.load_state_dict({**state, "state": moments})
    return step


def drop(work: Path) -> None:
    """Remove a checkpoint that is no longer needed."""
    work.unlink(missing_ok=True)


def _step_of(head: bytes, data: bytes) -> int:
    """Return the step that a checkpoint's first line tells, 0 when the rest is not what the line says."""
    try:
        told = json.loads(head)
        return int(told["step"]) if told["sha256"] == sha256_bytes(data) else 0
    except (ValueError, KeyError, TypeError):
        return 0


def _seal(folder: Path) -> None:
    """Write the manifest: the sha256 of every file, and of them all."""
    files = {path.name: sha256_bytes(path.read_bytes()) for path in sorted(folder.iterdir())}
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    write_atomic(folder / MANIFEST, canonical_json({"files": files, "sha256": sha256_json(files)}).encode())


def _intact(folder: Path) -> bool:
    """Return whether the folder holds exactly the files of its manifest, unchanged."""
    try:
        told = json.loads((folder / MANIFEST).read_bytes())["files"]
        return bool(told) and all(
            sha256_bytes((folder / name).read_bytes()) == sha for name, sha in told.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
