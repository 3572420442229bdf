"""A progress bar for every reader that a command waits for."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import TaskID

from services.commands.show import progress
from services.runtime.standing import Told, silent


@contextmanager
def bars(quiet: bool = False) -> Iterator[Told]:
    """What `standing.wait` tells, as progress bars; nothing when quiet."""
    if quiet:
        yield silent
        return
    with progress() as shown:
        tasks: dict[str, TaskID] = {}

        def told(who: str, at: int, target: int) -> None:
            if who not in tasks:
                if at >= target:
                    return
                tasks[who] = shown.add_task(who, total=target)
            shown.update(tasks[who], completed=at, total=target)

        yield told
