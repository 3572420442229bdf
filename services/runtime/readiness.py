"""Whether the platform is ready, and why not: a store cannot be read, a part fails, or a reader has come to a halt."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

from prometheus_client import CollectorRegistry

from services.runtime import frames, standing
from services.runtime.files import Files

PARTS = ("collector", "engine", "delivery", "warehouse")
HALT = 30.0  # seconds that a reader may stay where it is while there is something to read


class Readiness:
    """Looks when it is asked. `shown` are the metrics of all processes; `seconds` is a monotonic clock.

    A reader that is far behind and moves is at work; one that does not move between two looks has come to a halt.
    """

    def __init__(self, files: Files, shown: CollectorRegistry, seconds: Callable[[], float] = time.monotonic):
        self._files, self._shown, self._seconds = files, shown, seconds
        self._seen: dict[str, tuple[int, float]] = {}  # where a reader with something to read stands, and since when

    def reasons(self) -> list[str]:
        """Why the platform is not ready, in sentences; none: it is."""
        return self._unreadable() or self._failing() + self._halted()

    def _unreadable(self) -> list[str]:
        reasons = []
        for name, path in (("log", self._files.log), ("state", self._files.state), ("ledger", self._files.ledger)):
            try:
                with closing(frames.open_reader(path)) as reader:
                    frames.incarnation(reader)
            except (sqlite3.Error, TypeError) as error:
                reasons.append(f"the {name} file cannot be read: {error}")
        return reasons

    def _failing(self) -> list[str]:
        return [
            f"the {part} fails and tries again: the log of `rapport up` says why"
            for part in PARTS
            if self._shown.get_sample_value("rapport_failing", {"part": part})
        ]

    def _halted(self) -> list[str]:
        files, reasons = self._files, []
        try:
            end = standing.log_end(files)
            places = {
                "engine": (standing.folded(files), end),
                "warehouse": (standing.all_archived(files).get("touchpoints", 0), end),
                "delivery": standing.taken_of(files),
            }
        except sqlite3.Error as error:
            return [f"where the readers stand cannot be read: {error}"]
        for reader, (at, target) in places.items():
            since = self._since(reader, at, target)
            if since > HALT:
                reasons.append(
                    f"the {reader} has not moved for {since:.0f} s: it stands at {at:,} of {target:,} frames"
                )
        return reasons

    def _since(self, reader: str, at: int, target: int) -> float:
        """How long (seconds) the reader has stood there with something to read, as far as we have looked."""
        if at >= target:
            self._seen.pop(reader, None)
            return 0.0
        before, since = self._seen.get(reader, (-1, 0.0))
        if before != at:
            since = self._seconds()
            self._seen[reader] = (at, since)
        return self._seconds() - since
