"""The progress bar of an import: how much of the file, how many rows, how many a second, how long yet."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from services.commands.imports.opening import Opened
from services.commands.show import remarks


@contextmanager
def shown(file: str, found: Opened, before: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """What to call with the number of rows that are through, so that the bar moves; `before` were so already."""
    visible = not quiet and sys.stderr.isatty()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    count = (TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,}/s"), TimeRemainingColumn())
    with Progress(*columns, *count, console=remarks(), transient=not visible, disable=not visible) as bar:
        task = bar.add_task(Path(file).name, total=found.total or None, rows=before, rate=0)
        began = time.monotonic()

        def moved(rows: int) -> None:
            rate = int((rows - before) / max(time.monotonic() - began, 0.1))
            bar.update(task, completed=found.done(), rows=rows, rate=rate)

        yield moved
