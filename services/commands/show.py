"""What commands print: results on standard output, everything else (progress, remarks) on standard error."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from schemas import fast


def remarks() -> Console:
    """The console of standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Say what is possible and probably not meant, on standard error."""
    remarks().print(f"warning: {text}", markup=False, style="yellow")


def json_line(value: Any) -> None:
    """One value as a line of JSON."""
    sys.stdout.write(fast.dumps(value).decode() + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Sequence[str] = ()) -> None:
    """A table; the columns named in `numbers` stand to the right. What is in it is text, never markup."""
    made = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        made.add_column(Text(column), justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*(value if isinstance(value, Text) else Text(cell(value)) for value in row))
    Console(highlight=False).print(made)


def cell(value: Any) -> str:
    """A value as a person reads it: numbers with thousands, nothing as nothing; no control characters."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return plain(str(value))


def plain(text: str) -> str:
    """Text that came from outside, without what could steer a terminal."""
    return "".join(one if one.isprintable() or one in "\n\t" else "�" for one in text)


def instant(millis: int | None) -> str:
    """Epoch milliseconds as UTC, to the second; empty for None."""
    return "" if millis is None else datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def progress(unit: str = "") -> Progress:
    """A progress bar on standard error. With a unit it counts, without it shows a share."""
    count = (MofNCompleteColumn(), TextColumn(unit)) if unit else (TaskProgressColumn(),)
    columns = (TextColumn("{task.description}"), BarColumn(), *count, TimeRemainingColumn())
    return Progress(*columns, console=remarks(), transient=not sys.stderr.isatty(), disable=not sys.stderr.isatty())
