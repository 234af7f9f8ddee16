"""Pictures inside a Parquet file: their rows without the pictures, and each picture's bytes by its row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curation.errors import PrerequisiteError

_BATCH = 500
_PLAIN = ("string", "large_string", "bool", "int", "uint", "float")


class ParquetPictures:
    """One file, copied once into Arrow files below cache, which are mapped into memory and read at any row.

    image: the column of pictures; by default the only one of them. Raises PrerequisiteError when the file is
    damaged or has no such column.
    """

    def __init__(self, path: Path, cache: Path, image: str | None = None) -> None:
        """Open the file; its pictures are neither decoded nor held in memory."""
        from datasets import Dataset, Image, disable_progress_bars

        disable_progress_bars()
        try:
            opened = Dataset.from_parquet(str(path), cache_dir=str(cache / "arrow"))
        except _readable_errors() as error:
            raise PrerequisiteError(f"{path} cannot be read as Parquet ({error}); fetch it again") from error
        self._features: dict[str, Any] = dict(opened.features)
        self._column = image or self._only_picture(path)
        if self._column not in self._features:
            shown = ", ".join(map(repr, self._features))
            raise PrerequisiteError(f"{path} has no column {self._column!r}, only {shown}; set columns.image")
        chosen = opened.select_columns([self._column])
        if isinstance(self._features[self._column], Image):
            chosen = chosen.cast_column(self._column, Image(decode=False))
        self._pictures = chosen
        self._plain = opened.select_columns(list(self.columns))

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns of texts and numbers."""
        return tuple(
            name for name, kind in self._features.items() if _is_plain(kind) and name != self._column
        )

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the texts and numbers of every row; a class label as its name."""
        names = {name: self._features[name].names for name in self.columns if _is_label(self._features[name])}
        for start in range(0, len(self._pictures), _BATCH):
            number = min(_BATCH, len(self._pictures) - start)
            batch = self._plain[start : start + number] if self.columns else {}
            for place in range(number):
                row = {name: values[place] for name, values in batch.items()}
                for name, labels in names.items():
                    value = row[name]
                    row[name] = labels[value] if value is not None and 0 <= value < len(labels) else None
                yield row

    def picture(self, number: int) -> bytes | None:
        """Return the bytes of the picture in a row, None when it has none or only a path to them."""
        if not 0 <= number < len(self._pictures):
            return None
        value = self._pictures[number][self._column]
        data = value.get("bytes") if isinstance(value, dict) else value
        return data if isinstance(data, bytes) else None

    def _only_picture(self, path: Path) -> str:
        from datasets import Image

        found = [name for name, kind in self._features.items() if isinstance(kind, Image)]
        if len(found) == 1:
            return found[0]
        shown = ", ".join(map(repr, found or self._features))
        raise PrerequisiteError(f"{path}: which column has the pictures? set columns.image to one of {shown}")


def _is_label(kind: Any) -> bool:  # noqa: ANN401 - datasets has no types
    from datasets import ClassLabel

    return isinstance(kind, ClassLabel)


def _is_plain(kind: Any) -> bool:  # noqa: ANN401 - datasets has no types
    from datasets import Value

    return _is_label(kind) or (isinstance(kind, Value) and kind.dtype.startswith(_PLAIN))


def _readable_errors() -> tuple[type[Exception], ...]:
    """Return what reading a damaged or hostile file raises."""
    import pyarrow as pa
    from datasets.exceptions import DatasetsError

    return (DatasetsError, pa.ArrowException, OSError, ValueError, TypeError, KeyError, AttributeError)
