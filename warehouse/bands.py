"""Looks hashes up among those of the warehouse, by four bands of 16 bits, without reading them all out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from warehouse.store import Store

MOST_RADIUS = 3
_BANDS = (0, 16, 32, 48)


def near_pictures(
    store: Store,
    hashes: Sequence[int],
    radius: int = MOST_RADIUS,
    *,
    kind: Literal["phash", "dhash"] = "phash",
    algorithm: str | None = None,
) -> list[tuple[int, str, int]]:
    """Return (place in hashes, image id, bits) for every picture within a radius of a hash, in order.

    hashes: 64 bit. algorithm: of the features to compare with; all of them unless given. Two hashes that
    differ in at most three bits agree in one of four bands, which DuckDB joins on; so a radius above 3 is a
    ValueError (`curation.deduplicating.index.pairs_across` finds those).
    """
    if not 0 <= radius <= MOST_RADIUS:
        message = f"bands find at most {MOST_RADIUS} bits, not {radius}; use pairs_across"
        raise ValueError(message)
    found: list[tuple[int, str, int]] = store.rows(_query(kind), [list(hashes), algorithm, radius])
    return found


def _query(kind: str) -> str:
    """Return the join: the known hashes are computed once, a pair that agrees in two bands is one row."""
    joins = " UNION ".join(
        f"SELECT wanted.place, known.image_id, wanted.hash, known.hash AS other FROM wanted JOIN known "  # noqa: S608 - constants
        f"ON ((wanted.hash >> {shift}) & 65535) = ((known.hash >> {shift}) & 65535)"
        for shift in _BANDS
    )
    return f"""
        WITH wanted AS (
            SELECT generate_subscripts(hashes, 1) - 1 AS place, unnest(hashes) AS hash
            FROM (SELECT CAST(? AS UBIGINT[]) AS hashes)
        ),
        known AS MATERIALIZED (
            SELECT image_id, {kind} AS hash FROM picture_hash WHERE algorithm = coalesce(?, algorithm)
        ),
        met AS ({joins})
        SELECT place, image_id, CAST(bit_count(xor(hash, other)) AS INTEGER) AS bits
        FROM met
        WHERE bits <= ?
        ORDER BY place, image_id
    """  # noqa: S608 - constants
