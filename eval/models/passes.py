"""Runs several rows through layers in one pass: end to end, each branch seeing its own lead's stem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eval.models.decoder import NOTHING, Decoder, Sight
from eval.models.packing import Row

if TYPE_CHECKING:
    from torch import Tensor

_NAME = "pieces"


@dataclass(frozen=True)
class Piece:
    """Where a row's lead or its branches lie in a stream, [start, stop), and what branches see beside them.

    mask: bool [1, 1, ids, stem + ids] of branches, None for a lead, which sees what comes before in itself.
    """

    row: int
    start: int
    stop: int
    stem: int = 0
    mask: Tensor | None = None


@dataclass
class Pieces:
    """A stream's pieces; left: the leads' keys and values in the layer at work, for a pass's streams."""

    laid: tuple[Piece, ...]
    left: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)


def use_pieces(decoder: Decoder) -> None:
    """Let a decoder's attention take pieces; without them it is transformers' own, bit for bit."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(_NAME, _attend)
    AttentionMaskInterface.register(_NAME, sdpa_mask)
    decoder.body.set_attn_implementation(_NAME)


def _attend(
    module: Any,  # noqa: ANN401 - as transformers calls it
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    pieces: Pieces | None = None,
    **rest: Any,  # noqa: ANN401
) -> tuple[Tensor, None]:
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward as attend

    if pieces is None:
        made, _ = attend(module, query, key, value, attention_mask, **rest)
        return made, None
    found = []
    for piece in pieces.laid:
        ours = slice(piece.start, piece.stop)
        keys, values = key[:, :, ours], value[:, :, ours]
        if piece.mask is None:
            pieces.left[piece.row] = keys, values
        else:
            before = pieces.left[piece.row]
            keys = torch.cat([before[0][:, :, : piece.stem], keys], dim=2)
            values = torch.cat([before[1][:, :, : piece.stem], values], dim=2)
        found.append(attend(module, query[:, :, ours], keys, values, piece.mask, **rest)[0])
    return found[0] if len(found) == 1 else torch.cat(found, dim=1), None


class Pass:
    """Some rows on their way through the layers.

    apart: the first row's lead is a stream of its own, so that it has the bits that it has alone; matrix
    products over more rows may round otherwise.
    """

    def __init__(self, decoder: Decoder, rows: Sequence[Row], *, apart: bool) -> None:
        """Lay the rows out; nothing is run yet."""
        self._decoder, self._rows = decoder, rows
        parts = [
            (number, part) for number, row in enumerate(rows) for part in ((0, 1) if row.branches else (0,))
        ]
        self._streams = [parts[:1], parts[1:]] if apart and len(parts) > 1 else [parts]
        self._sights = self._laid()

    def begin(self, embeds: Sequence[Tensor]) -> list[Tensor]:
        """Return the first layer's input of each row [ids, width], given embeddings of the same shape."""
        streams = zip(self._joined(embeds), self._sights, strict=True)
        return self._parted([self._decoder.begin(stream, sight)[0] for stream, sight in streams])

    def run(
        self,
        hidden: Sequence[Tensor],
        layers: range,
        weights: Mapping[str, Tensor] = NOTHING,
        *,
        attend: int | None = None,
    ) -> list[Tensor]:
        """Return each row [ids, width] after some layers, with attend after one more layer's attention."""
        streams = self._joined(hidden)
        sights = [
            self._decoder.look(stream, sight) for stream, sight in zip(streams, self._sights, strict=True)
        ]
        for layer in layers:
            streams = [
                self._decoder.run(stream, sight, range(layer, layer + 1), weights)
                for stream, sight in zip(streams, sights, strict=True)
            ]
        if attend is not None:
            streams = [
                self._decoder.attend(attend, stream, sight)
                for stream, sight in zip(streams, sights, strict=True)
            ]
        return self._parted(streams)

    def _laid(self) -> list[Sight]:
        """Return what each stream's positions see."""
        import torch

        device = self._decoder.head.weight.device
        left: dict[int, tuple[Tensor, Tensor]] = {}
        sights = []
        for stream in self._streams:
            pieces: list[Piece] = []
            places: list[int] = []
            for number, part in stream:
                row = self._rows[number]
                own = row.branch_places if part else range(len(row.lead.ids))
                mask = row.branch_mask(device) if part else None
                pieces.append(Piece(number, len(places), len(places) + len(own), row.stem, mask))
                places += own
            positions = torch.tensor([places], device=device)
            sights.append(Sight(positions, pieces=Pieces(tuple(pieces), left)))
        return sights

    def _joined(self, rows: Sequence[Tensor]) -> list[Tensor]:
        """Return the streams [1, ids, width] of rows."""
        import torch

        streams = []
        for stream in self._streams:
            parts = [rows[number][self._span(number, part)] for number, part in stream]
            streams.append((parts[0] if len(parts) == 1 else torch.cat(parts))[None])
        return streams

    def _parted(self, streams: Sequence[Tensor]) -> list[Tensor]:
        """Return the rows [ids, width] of streams, lead and branches end to end."""
        import torch

        parts: dict[int, list[Tensor]] = {}
        for stream, sight in zip(streams, self._sights, strict=True):
            for piece in sight.pieces.laid:
                parts.setdefault(piece.row, []).append(stream[0, piece.start : piece.stop])
        return [found[0] if len(found) == 1 else torch.cat(found) for _, found in sorted(parts.items())]

    def _span(self, number: int, part: int) -> slice:
        size = len(self._rows[number].lead.ids)
        return slice(size, None) if part else slice(0, size)
