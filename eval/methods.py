"""The table of methods and how each is made ready for a model; and how a model is opened by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from curation.errors import PrerequisiteError
from curation.ids import sha256_json
from curation.records import Split
from eval.case_scores import NO_EDIT
from eval.cases import edit_cases
from eval.editors.ft_alignment import FtAlignment
from eval.editors.ft_llm import FtLlm
from eval.editors.none import NoEdit
from eval.editors.port import Editor
from eval.models.checkpoints import quality_log
from eval.models.curriculum import TinyTraining
from eval.models.lessons import original_knowledge
from eval.models.network import Loaded, Network
from eval.models.precision import Precision, raise_tail, trunk_type
from eval.models.split import SplitModel
from eval.models.tiny import Family, prepare_runtime
from eval.models.training import Course, trained_model
from eval.plan import Options
from eval.records import Protocol, dialect_of
from warehouse.release import Release

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Bench:
    """What methods are made ready with: a release, a model, and where trained things are kept."""

    release: Release
    model: Network
    protocol: Protocol
    cache: Path
    progress: Progress


def _ike(bench: Bench) -> Editor:
    from eval.editors.ike import Ike, sentence_encoder

    train = list(edit_cases(bench.release, Split.TRAIN))
    dialect = dialect_of(bench.protocol, "IKE")
    return Ike.prepared(train, dialect, bench.model, bench.cache, sentence_encoder())


def _trained(method: str, bench: Bench) -> Editor:
    from eval.editors.ke import Ke
    from eval.editors.mend import Mend
    from eval.editors.serac import Serac

    # Of the train split alone; each divides it again into what it learns from and what validates it.
    train = list(edit_cases(bench.release, Split.TRAIN))
    makers: dict[str, Callable[..., Editor]] = {
        "MEND": Mend.trained, "KE": Ke.trained, "SERAC": Serac.trained
    }  # fmt: skip
    dialect = dialect_of(bench.protocol, method)
    identity = bench.release.content_sha256
    return makers[method](
        train, bench.release.image, bench.model, dialect, bench.cache, identity, bench.progress
    )


# In the order of the paper's tables.
METHODS: dict[str, Callable[[Bench], Editor]] = {
    NO_EDIT: lambda _: NoEdit(),
    "FT-LLM": lambda bench: FtLlm.for_model(bench.model.name),
    "FT-Alignment": lambda bench: FtAlignment.for_model(bench.model.name),
    "IKE": _ike,
    "SERAC": partial(_trained, "SERAC"),
    "MEND": partial(_trained, "MEND"),
    "KE": partial(_trained, "KE"),
}


def accumulating() -> list[str]:
    """Return the methods whose edits can be made on top of each other."""
    from eval.editors.ike import Ike
    from eval.editors.ke import Ke
    from eval.editors.mend import Mend
    from eval.editors.serac import Serac

    kinds = (NoEdit, FtLlm, FtAlignment, Ike, Serac, Mend, Ke)
    return [kind.name for kind in kinds if kind.accumulates]


def check_methods(methods: Sequence[str]) -> None:
    """Raise PrerequisiteError for a method that is not in the table, one named twice, or none."""
    unknown = [method for method in methods if method not in METHODS]
    if unknown:
        raise PrerequisiteError(f"there is no method {unknown[0]!r}; choose from {', '.join(METHODS)}")
    if not methods or len(set(methods)) != len(methods):
        raise PrerequisiteError("name at least one method, and each once")


def editors_for(methods: Sequence[str], bench: Bench) -> list[Editor]:
    """Return the methods, trained or read from the cache where they need training, in the given order.

    Raises PrerequisiteError for an unknown method, a missing library, or a model without hyper-parameters.
    """
    check_methods(methods)
    return [METHODS[method](bench) for method in methods]


def loaded_model(
    name: str,
    release: Release,
    cache: Path,
    options: Options,
    progress: Progress,
    training: TinyTraining | None = None,
) -> tuple[Loaded, dict[str, float | int]]:
    """Return what a model is made of, on its device, and what was measured when the project trained it.

    name: tiny-llava, tiny-blip2 or tiny-minigpt4, trained on the release's original knowledge unless the
    cache has it; else a folder or hub name of a real one. Raises PrerequisiteError for a device that is not
    there.
    """
    prepare_runtime()
    check_device(options.device)
    if name not in set(Family):
        from eval.models.real import open_model

        loaded, quality = open_model(name, cache, options.precision, options.device), {}
    else:
        loaded = trained_model(release, cache, training or TinyTraining(), progress, Family(name))
        quality = quality_log(cache, loaded)
        module = loaded.module.to(trunk_type(options.precision)).to(options.device)
        digest = loaded.digest
        if options.precision is not Precision.EXACT:
            digest = sha256_json([digest, options.precision.value])
        loaded = replace(loaded, module=module, digest=digest)
    raise_tail(loaded.module, options.precision)
    return loaded, quality


def sketched_model(name: str, release: Release, training: TinyTraining | None = None) -> Loaded:
    """Return a model of the right shape and tokeniser to plan with: untrained, or without weights.

    name: as loaded_model takes it.
    """
    prepare_runtime()
    if name not in set(Family):
        from eval.models.real import sketch_model

        return sketch_model(name)
    lessons = original_knowledge(release.items)
    return Course(release, lessons, training or TinyTraining(), Family(name)).loaded("")


def fast_model(loaded: Loaded, options: Options) -> SplitModel:
    """Return the fast model; on a GPU the edits of one call share their operations."""
    return SplitModel(loaded, batched=options.device != "cpu")


def default_device(model: str) -> str:
    """Return where a model runs when nobody says: a real one on a GPU that torch sees, else on the CPU."""
    import torch

    return "cuda" if model not in set(Family) and torch.cuda.is_available() else "cpu"


def check_device(device: str) -> None:
    """Raise PrerequisiteError when torch does not see the device."""
    import torch

    try:
        kind = torch.device(device)
    except RuntimeError as error:
        raise PrerequisiteError(f"there is no device {device!r}; choose cpu, cuda or cuda:0") from error
    seen = torch.cuda.device_count() if kind.type == "cuda" else int(kind.type == "cpu")
    if (kind.index or 0) >= seen:
        message = f"torch sees no device {device}; choose --device cpu, or install a CUDA build of torch"
        raise PrerequisiteError(message)
