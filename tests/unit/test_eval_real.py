"""Opening models from folders: layouts, digests, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.torch import load_file, save_file

from curation.errors import IntegrityError, PrerequisiteError
from eval.models.network import PlainModel
from eval.models.port import Edit, Question
from eval.models.precision import Precision
from eval.models.real import EVA_SIDE, open_model
from eval.models.tiny import WRAPPER, Family, TinyShape, new_module
from eval.models.weights import sha256_of_file, weight_files
from eval.records import Dialect
from tests.unit.model_folders import SHAPE, change_config, model_folder
from tests.unit.tiny_networks import picture

FAMILIES = pytest.mark.parametrize("family", list(Family))
NAMES = {
    Family.LLAVA: "llava-1.5-7b",
    Family.BLIP2: "blip2-opt-2.7b",
    Family.MINIGPT4: "minigpt4-vicuna-7b",
}


@FAMILIES
def test_a_folder_opens_as_the_model_that_it_holds(tmp_path: Path, family: Family) -> None:
    folder = model_folder(tmp_path / "model", family)
    loaded = open_model(str(folder), tmp_path, Precision.EXACT)
    fresh = new_module(SHAPE, family, 5, 6.0).state_dict()
    opened = loaded.module.state_dict()
    assert loaded.name == NAMES[family]
    assert all(torch.equal(opened[name], tensor) for name, tensor in fresh.items())
    model = PlainModel(loaded)
    prompts = [
        model.encode(Question("What is it?", "A sign.", shown), Dialect.TRAINER, locality=True)
        for shown in (picture(1), None)
    ]
    assert all(reading.unscored is None for reading in model.read(prompts, Edit()))


@FAMILIES
def test_the_input_layout_is_the_reference_s(tmp_path: Path, family: Family) -> None:
    loaded = open_model(str(model_folder(tmp_path / "model", family)), tmp_path, Precision.EXACT)
    layout, codec = loaded.layout, loaded.codec
    wrapper = tuple(tuple(codec.encode(text)[0]) for text in WRAPPER)
    expected: dict[Family, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], int]] = {
        Family.LLAVA: ((1,), (), (1,), (), 16),
        Family.BLIP2: ((), (2,), (2,), (), 4),
        Family.MINIGPT4: (*wrapper, (), (1,), 4),
    }
    told = (layout.before, layout.after, layout.text_lead, layout.ke_lead, layout.picture_tokens)
    assert told == expected[family]
    assert layout.max_tokens == SHAPE.max_tokens
    assert codec.decode([layout.end]) == ("\n" if family is Family.BLIP2 else "")
    side = SHAPE.image_size if family is Family.LLAVA else EVA_SIDE
    assert loaded.look(picture(1).data).shape == (3, side, side)


def test_precision_sets_the_trunk_and_the_digest(tmp_path: Path) -> None:
    folder = str(model_folder(tmp_path / "model", Family.BLIP2))
    opened = [open_model(folder, tmp_path, precision) for precision in Precision]
    dtypes = [one.module.language_model.model.decoder.layers[0].fc1.weight.dtype for one in opened]
    assert dtypes == [torch.float32, torch.bfloat16, torch.bfloat16]
    assert len({one.digest for one in opened}) == 3
    assert open_model(folder, tmp_path, Precision.EXACT).digest == opened[0].digest


@pytest.mark.parametrize("changed", ["model.safetensors", "tokenizer.json", "config.json"])
def test_any_changed_file_changes_the_digest(tmp_path: Path, changed: str) -> None:
    folder = model_folder(tmp_path / "model", Family.LLAVA)
    before = open_model(str(folder), tmp_path, Precision.EXACT).digest
    if changed == "model.safetensors":
        state = load_file(folder / changed)
        first = sorted(state)[0]
        save_file({**state, first: state[first] + 1}, folder / changed, {"format": "pt"})
    else:
        (folder / changed).write_bytes((folder / changed).read_bytes() + b"\n")
    assert open_model(str(folder), tmp_path, Precision.EXACT).digest != before


def test_a_large_file_is_hashed_once_until_it_changes(tmp_path: Path) -> None:
    file, cache = tmp_path / "large", tmp_path / "cache"
    file.write_bytes(b"x" * (1 << 21))
    first = sha256_of_file(file, cache)
    kept = json.loads((cache / "file-hashes.json").read_bytes())
    assert list(kept) == [str(file)]
    kept[str(file)][2] = "remembered"
    (cache / "file-hashes.json").write_text(json.dumps(kept))
    assert sha256_of_file(file, cache) == "remembered"
    file.write_bytes(b"y" * (1 << 21) + b"z")
    assert sha256_of_file(file, cache) not in {"remembered", first}
    (cache / "file-hashes.json").write_text("[broken")
    assert len(sha256_of_file(file, cache)) == 64


def pickled(folder: Path) -> dict[str, Any]:
    """Turn a folder's weights into a pickled file, and return them."""
    state: dict[str, Any] = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    return state


def test_pickled_weights_load_as_tensors_only(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", Family.LLAVA)
    state = pickled(folder)
    opened = open_model(str(folder), tmp_path, Precision.EXACT).module
    assert torch.equal(opened.model.vision_tower.embeddings.class_embedding, _class_embedding(state))
    torch.save({**state, "surprise": Trap(tmp_path / "sprung")}, folder / "pytorch_model.bin")
    with pytest.raises(IntegrityError):
        open_model(str(folder), tmp_path, Precision.EXACT)
    assert not (tmp_path / "sprung").exists()


def _class_embedding(state: dict[str, Any]) -> Any:
    return next(tensor for name, tensor in state.items() if name.endswith("class_embedding"))


class Trap:
    """Unpickled without care, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_code_beside_a_model_is_not_run(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", Family.BLIP2)
    (folder / "own.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    own = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    change_config(folder, lambda config: config.update(auto_map=own))
    open_model(str(folder), tmp_path, Precision.EXACT)
    assert not (tmp_path / "sprung").exists()


def test_a_missing_weight_is_not_made_up(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", Family.MINIGPT4)
    state = load_file(folder / "model.safetensors")
    del state["query_tokens"]
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(IntegrityError, match="query_tokens"):
        open_model(str(folder), tmp_path, Precision.EXACT)


def test_damaged_files_are_integrity_errors(tmp_path: Path) -> None:
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        folder = model_folder(tmp_path / name, Family.LLAVA)
        (folder / name).write_bytes((folder / name).read_bytes()[:200])
        with pytest.raises(IntegrityError):
            open_model(str(folder), tmp_path, Precision.EXACT)


@pytest.mark.parametrize(
    "broken", [{"hidden_size": "x"}, {"num_attention_heads": 0}, {"hidden_size": 17}, {}]
)
def test_a_configuration_that_fits_no_weights_is_an_integrity_error(
    tmp_path: Path, broken: dict[str, Any]
) -> None:
    folder = model_folder(tmp_path / "model", Family.LLAVA)
    change_config(folder, lambda config: config["text_config"].update(broken or {"vocab_size": 7}))
    with pytest.raises(IntegrityError):
        open_model(str(folder), tmp_path, Precision.EXACT)


REFUSED: dict[str, tuple[Family, Callable[[dict[str, Any]], object], str]] = {
    "another model": (Family.LLAVA, lambda c: c.update(model_type="gpt2"), "gpt2"),
    "LLaVA's own layout": (Family.LLAVA, lambda c: c.pop("vision_config"), "llava-hf"),
    "a T5": (Family.BLIP2, lambda c: c["text_config"].update(model_type="t5"), "t5"),
    "a Llama 2": (
        Family.MINIGPT4,
        lambda c: c["text_config"].update(max_position_embeddings=4096),
        "Vicuna-7B v0",
    ),
    "no text model": (Family.LLAVA, lambda c: c.update(text_config=None), "llava"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_architectures_are_refused_by_name(tmp_path: Path, case: str) -> None:
    family, change, told = REFUSED[case]
    folder = model_folder(tmp_path / "model", family)
    change_config(folder, change)
    with pytest.raises(PrerequisiteError, match=told):
        open_model(str(folder), tmp_path, Precision.EXACT)


@pytest.mark.parametrize("lost", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, lost: str) -> None:
    folder = model_folder(tmp_path / "model", Family.LLAVA)
    (folder / lost).unlink()
    with pytest.raises(PrerequisiteError, match=lost):
        open_model(str(folder), tmp_path, Precision.EXACT)


@pytest.mark.parametrize("source", ["/no/such/folder", "nothing", "../..//x", "owner/name@", ""])
def test_what_is_neither_folder_nor_hub_name_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(PrerequisiteError, match="no model folder"):
        open_model(source, tmp_path, Precision.EXACT)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the hub's cache of a machine without network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_hub_name_without_network_says_how_to_go_on(tmp_path: Path, offline: Path) -> None:
    with pytest.raises(PrerequisiteError, match="hf download owner/name --local-dir"):
        open_model("owner/name@main", tmp_path, Precision.EXACT)


def test_a_downloaded_hub_model_is_known_by_its_commit(tmp_path: Path, offline: Path) -> None:
    commits = ["a" * 40, "b" * 40]
    for commit in commits:
        model_folder(offline / "models--owner--name" / "snapshots" / commit, Family.LLAVA)
    refs = offline / "models--owner--name" / "refs"
    refs.mkdir()
    (refs / "main").write_text(commits[0])
    opened = [
        open_model(f"owner/name{rest}", tmp_path, Precision.EXACT).digest
        for rest in ("", *(f"@{c}" for c in commits))
    ]
    assert opened[0] == opened[1] != opened[2]


def test_shards_are_those_of_the_index(tmp_path: Path) -> None:
    for name in ("one", "two", "stray"):
        (tmp_path / f"{name}.safetensors").touch()
    index = {"weight_map": {"a": "two.safetensors", "b": "one.safetensors", "c": "two.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert [file.stem for file in weight_files(tmp_path)] == ["one", "two"]
    (tmp_path / "one.safetensors").unlink()
    with pytest.raises(PrerequisiteError, match=r"one\.safetensors"):
        weight_files(tmp_path)


def test_an_older_blip2_folder_gets_an_unused_placeholder(tmp_path: Path) -> None:
    shape = TinyShape(**{**vars(SHAPE), "vocabulary": 440})
    folder = model_folder(tmp_path / "model", Family.BLIP2, shape)
    shutil.copy(model_folder(tmp_path / "other", Family.BLIP2) / "tokenizer.json", folder)
    change_config(folder, lambda config: config.update(image_token_index=None))
    loaded = open_model(str(folder), tmp_path, Precision.EXACT)
    words = loaded.codec.encode("".join(map(chr, range(300))))[0]
    assert max(words) < loaded.layout.placeholder == loaded.module.config.image_token_index < 440


def cubic(old: int, new: int) -> Any:
    """Return the matrix [new, old] of Keys' cubic interpolation, a = -0.75, pixel centres, edges repeated."""
    matrix = numpy.zeros((new, old))
    for row in range(new):
        centre = (row + 0.5) * old / new - 0.5
        for tap in range(int(numpy.floor(centre)) - 1, int(numpy.floor(centre)) + 3):
            x = abs(centre - tap)
            near = 1.25 * x**3 - 2.25 * x**2 + 1
            far = -0.75 * x**3 + 3.75 * x**2 - 6 * x + 3
            matrix[row, min(max(tap, 0), old - 1)] += near if x <= 1 else far if x < 2 else 0
    return matrix


def test_positions_are_stretched_from_224_to_364_as_eva_s() -> None:
    shape = TinyShape(**{**vars(SHAPE), "image_size": 224})
    embeddings = new_module(shape, Family.BLIP2, 1, 1.0).vision_model.embeddings
    pixels = torch.randn(1, 3, EVA_SIDE, EVA_SIDE)
    with torch.no_grad():
        patches = embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
        added = (embeddings(pixels, interpolate_pos_encoding=True)[:, 1:] - patches)[0].double().numpy()
        grid = embeddings.position_embedding[0, 1:].reshape(16, 16, -1).double().numpy()
    stretch = cubic(16, 26)
    expected = numpy.einsum("ai,bj,ijc->abc", stretch, stretch, grid).reshape(26 * 26, -1)
    assert numpy.abs(added - expected).max() < 1e-5
