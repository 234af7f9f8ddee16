"""What is computed in which number format, and how a model's top is raised above a bfloat16 trunk."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from eval.models.anatomy import TOP_LAYERS, anatomy_of

if TYPE_CHECKING:
    import torch


class Precision(StrEnum):
    """Trunk and tail; edited layers, final norm and head are the tail, and always hold float32 weights.

    The connector too. exact: float32 throughout. default: a bfloat16 trunk under a float32 tail: all in
    bfloat16 would round most of a small edit away. fast: as default, with TF32 products in the tail.
    """

    EXACT = "exact"
    DEFAULT = "default"
    FAST = "fast"


def trunk_type(precision: Precision) -> torch.dtype:
    """Return the dtype to load a model in."""
    import torch

    return torch.float32 if precision is Precision.EXACT else torch.bfloat16


def raise_tail(module: Any, precision: Precision) -> None:  # noqa: ANN401 - transformers is untyped here
    """Give the top layers, final norm and head of a loaded module float32 weights, in place, for good.

    A module that runs as a whole then casts at each layer what it is given, as the decoder in steps does.
    TF32 is switched for the process.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = precision is Precision.FAST
    if precision is Precision.EXACT:
        return
    anatomy = anatomy_of(module)
    decoder, body = anatomy.decoder, anatomy.decoder.body
    for layer in list(body.layers)[-TOP_LAYERS:]:
        layer.float()
    norm = body.norm if hasattr(body, "norm") else body.final_layer_norm
    norm.float()
    if decoder.head.weight is body.embed_tokens.weight:
        decoder.head.weight = torch.nn.Parameter(decoder.head.weight.detach().clone(), requires_grad=False)
    decoder.head.float()
    connector = module.get_submodule(anatomy.connector.rstrip(".")).float()
    for part in (*body.layers, connector):
        part.register_forward_pre_hook(_cast, with_kwargs=True)


def _cast(part: Any, given: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401
    """Cast everything of a floating type that a part is given to its own dtype."""
    kind = next(part.parameters()).dtype
    cast = {
        name: tuple(_of(kind, one) for one in value) if isinstance(value, tuple) else _of(kind, value)
        for name, value in named.items()
    }
    return tuple(_of(kind, one) for one in given), cast


def _of(kind: torch.dtype, value: Any) -> Any:  # noqa: ANN401
    import torch

    return value.to(kind) if isinstance(value, torch.Tensor) and value.is_floating_point() else value
