"""Tables on the terminal."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def table(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print one table; columns with a name are figures, but for the first."""
    made = Table(title=title, title_justify="left", title_style="bold", show_header=any(columns))
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number and columns[number] else "left")
    for row in rows:
        made.add_row(*map(str, row))
    console.print(made)
