"""Parquet, a few rows at a time: only the columns that are asked for are read."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.conditions.exact import find
from services.errors import RapportError
from services.ingest.imports.line import Line

_BATCH_BYTES = 4 * 1024 * 1024
_MOST_ROWS = 2_000  # at a time
_BUFFER = 1024 * 1024


class ParquetFile:
    """The rows of a Parquet file. `customer.email` is the field of a struct. Raises RapportError when it is none."""

    def __init__(self, path: Path):
        try:
            self._file = pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
            self._schema = self._file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise RapportError(f"it is no Parquet file that can be read: {_short(error)}") from None
        self.columns: Sequence[str] = self._schema.names
        self.count: int = self._file.metadata.num_rows

    def lacks(self, column: str) -> str:
        """Why rows have no cell of this column; empty when they have."""
        found = self.columns.count(self._root(column))
        if found == 1:
            return ""
        several = f'there are {found} columns "{column}": rename all but one'
        return several if found else f'there is no column "{column}"; there are: {", ".join(self.columns[:40])}'

    def rows(self, wanted: Sequence[str]) -> Iterator[Line]:
        """Every row, with the cells of these columns; nested ones as objects and lists."""
        roots = list(dict.fromkeys(map(self._root, wanted)))
        number = 1
        try:
            for batch in self._file.iter_batches(self._batch_rows(), columns=roots):
                columns = [_plain(batch.column(self._position(batch, root))) for root in roots]
                for cells in zip(*columns, strict=True):
                    row = dict(zip(roots, cells, strict=True))
                    yield Line(number, tuple([find(row, column) for column in wanted]), row)
                    number += 1
        except (pa.ArrowException, OSError, ValueError) as error:
            raise RapportError(f"the rows from {number:,} on cannot be read: {_short(error)}") from None

    def _root(self, column: str) -> str:
        """The top-level column that this one stands in."""
        return column if column in self.columns else column.partition(".")[0]

    @staticmethod
    def _position(batch: Any, root: str) -> int:
        return int(batch.schema.get_field_index(root))

    def _batch_rows(self) -> int:
        """So many rows at a time that they are a few megabytes, as far as the file tells how large they are."""
        groups = [self._file.metadata.row_group(at) for at in range(self._file.num_row_groups)]
        largest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1)
        return max(1, min(_MOST_ROWS, int(_BATCH_BYTES / max(largest, 1))))


def _plain(column: Any) -> list[Any]:
    """The column's values as Python has them. Nanoseconds are cut to microseconds: Python has nothing finer."""
    coarse = _without_nanoseconds(column.type)
    return list((column if coarse == column.type else column.cast(coarse, safe=False)).to_pylist())


def _without_nanoseconds(kind: Any) -> Any:
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if pa.types.is_time64(kind) and kind.unit == "ns":
        return pa.time64("us")
    if pa.types.is_dictionary(kind):
        return _without_nanoseconds(kind.value_type)
    if pa.types.is_list(kind):
        return pa.list_(_without_nanoseconds(kind.value_type))
    if pa.types.is_struct(kind):
        fields = [kind.field(at) for at in range(kind.num_fields)]
        return pa.struct([field.with_type(_without_nanoseconds(field.type)) for field in fields])
    return kind


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
