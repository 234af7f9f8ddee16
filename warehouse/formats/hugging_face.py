"""Parquet with pictures inside, one config an editing type: what datasets.load_dataset opens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.records import EditType, ImageRole, ReleasedItem, Split

TEXT_COLUMNS = (
    "item_id",
    "subject_name",
    "category",
    "fine_type",
    "original_text",
    "edited_text",
    "request",
    "rephrased_request",
)
PROBE_COLUMNS = ("probe_id", "kind", "question", "answer", "original_answer", "image_role")


def data_file(edit_type: EditType, split: Split) -> str:
    """Return the path of a config's split inside a release."""
    return f"data/{edit_type}/{split}.parquet"


def write_parquet(folder: Path, items: Sequence[ReleasedItem], read: Callable[[str], bytes]) -> None:
    """Write one Parquet file for every editing type and split that has items."""
    schema = _schema()
    for edit_type in EditType:
        for split in Split:
            chosen = [e for e in items if e.split is split and e.item.edit_type is edit_type]
            if not chosen:
                continue
            path = folder / data_file(edit_type, split)
            path.parent.mkdir(parents=True, exist_ok=True)
            # One table made of one list has one chunk a column, so the bytes do not depend on threads.
            table = pa.Table.from_pylist([_row(entry, read) for entry in chosen], schema=schema)
            pq.write_table(table, path, compression="zstd", row_group_size=100)


def _schema() -> pa.Schema:
    # Imported here: the datasets library takes seconds to import and only a freeze needs it.
    from datasets import Features, Image, Value

    probe = {name: Value("string") for name in PROBE_COLUMNS} | {"hop": Value("int32")}
    columns: dict[str, Any] = {name: Value("string") for name in TEXT_COLUMNS}
    columns["user_name"] = Value("string")
    columns |= {f"{role}_image": Image() for role in ImageRole}
    columns["probes"] = [probe]
    columns["image_credits"] = [
        {"role": Value("string"), "licence": Value("string"), "attribution": Value("string")}
    ]
    return Features(columns).arrow_schema


def _row(entry: ReleasedItem, read: Callable[[str], bytes]) -> dict[str, Any]:
    item = entry.item
    row: dict[str, Any] = {name: getattr(item, name) for name in TEXT_COLUMNS}
    row["user_name"] = item.user_name
    for role in ImageRole:
        image = item.image(role)
        row[f"{role}_image"] = {"bytes": read(image.sha256), "path": f"{image.sha256}.jpg"} if image else None
    row["probes"] = [
        {name: getattr(probe, name) for name in PROBE_COLUMNS} | {"hop": probe.hop} for probe in item.probes
    ]
    row["image_credits"] = [
        {"role": str(image.role), "licence": image.licence, "attribution": image.attribution}
        for image in item.images
    ]
    return row
