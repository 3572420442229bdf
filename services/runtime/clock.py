"""The clocks: the machine's, and the one that stamps what a log receives."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from schemas.topics import TOPICS
from services.runtime import frames


def wall() -> int:
    """Now, in epoch milliseconds, as the machine's clock says: it may be set back."""
    return time.time_ns() // 1_000_000


class LogClock:
    """Now, in epoch milliseconds, for whoever stamps what goes with a log: it never goes back, also over a restart.

    While the machine's clock is behind `since`, or behind what was told already (somebody set it back), this one stands
    still until the machine's has caught up. So `received_at` only grows along the log, wake-ups come in order, and a
    rule does not fall silent because what is received now seems older than the rule.
    """

    def __init__(self, since: int, machine: Callable[[], int] = wall):
        self._last, self._machine = since, machine

    def __call__(self) -> int:
        self._last = max(self._last, self._machine())
        return self._last


def begin(log: sqlite3.Connection, machine: int) -> int:
    """Begin a life of the platform on this log: note, and return, the instant (epoch ms) from which on it stamps.

    It is later than every stamp of the lives before, and `machine` (what the machine's clock says) where that is.
    Rules that are new go live at it: what was received before is before it, what is received from now on is not.
    """
    newest = max(frames.newest(log, topic) for topic in TOPICS)
    since = max(machine, newest + 1, begun(log))
    log.execute("INSERT OR REPLACE INTO about VALUES ('begun', ?)", (str(since),))
    return since


def begun(log: sqlite3.Connection) -> int:
    """The instant (epoch ms) at which the present life of the platform on this log began; 0 for a log without one."""
    row = log.execute("SELECT value FROM about WHERE name = 'begun'").fetchone()
    return int(row[0]) if row else 0


def of_log(path: Path) -> LogClock:
    """The clock of the platform that lives on this log."""
    with closing(frames.open_reader(path)) as log:
        return LogClock(begun(log))
