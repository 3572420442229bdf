"""Wait for what must come: with a bound on standing still, and no longer than every process of the platform lives."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from services.errors import RapportError
from services.runtime.family import Family

Found = TypeVar("Found")
PATIENCE = 60.0  # seconds without any progress
EVERY = 0.05  # seconds between two looks


class Watch:
    """Watches the platform's processes while the demo works. `stop` ends it."""

    def __init__(self, family: Family):
        self._stopped = threading.Event()
        self._ended: str | None = None
        self._thread = threading.Thread(target=self._run, args=(family,), daemon=True, name="watch-family")
        self._thread.start()

    def _run(self, family: Family) -> None:
        self._ended = family.watch(self._stopped)

    def alive(self) -> None:
        """Raise RapportError when a process of the platform has ended by itself."""
        if self._ended:
            raise RapportError(
                f"the {self._ended} process ended unexpectedly, so everything was stopped; its last words are above."
                " Nothing that was accepted is lost: run the demo again"
            )

    def forever(self) -> None:
        """Until Ctrl-C, or a process ends."""
        while self._thread.is_alive():
            self._thread.join(0.2)
        self.alive()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()
        self._thread.join()

    def until(self, what: str, look: Callable[[], Found], enough: Callable[[Found], bool]) -> Found:
        """What `look` finds, as soon as it is enough. Raises RapportError when it finds the same for PATIENCE."""
        before, since = None, time.monotonic()
        while not enough(found := look()):
            self.alive()
            if found != before:
                before, since = found, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                raise RapportError(f"{what} did not come within {PATIENCE:.0f} seconds; there is {found!r:.300}")
            time.sleep(EVERY)
        return found
