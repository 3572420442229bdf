"""What readers of files give, whatever the format."""

from typing import Any, NamedTuple


class Line(NamedTuple):
    """One row: its number from 1 (of the line where it begins; in Parquet of the row). `cells` are those of the
    columns that were asked for, None when `flaw` says why the row cannot be read. `was` is the row as it was."""

    number: int
    cells: tuple[Any, ...] | None
    was: Any
    flaw: str = ""
