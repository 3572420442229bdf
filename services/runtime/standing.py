"""Where each reader of the embedded logs stands, seen from any process; and waiting until it has come far enough."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

from services.errors import RapportError
from services.runtime import frames
from services.runtime.files import Files

PAUSE = 0.05  # seconds between two looks
PATIENCE = 60.0  # seconds without a step forward until waiting is given up

Told = Callable[[str, int, int], None]  # (who is waited for, where it stands, where it must come)


def log_end(files: Files, topic: str = "touchpoints") -> int:
    """The offset that the topic's next frame will get in the collectors' log."""
    with closing(frames.open_reader(files.log)) as log:
        return frames.end(log, topic)


def folded(files: Files) -> int:
    """The offset of the log that the engine reads next."""
    with closing(frames.open_reader(files.state)) as state:
        return read_next(state)


def read_next(state: sqlite3.Connection) -> int:
    """The same, by an open reader of the state file."""
    sql = "SELECT offset FROM watermarks WHERE stage = 'fold' AND topic = 'touchpoints'"
    return _offset(state, sql)


def obeyed(files: Files) -> int:
    """The offset of the topic `commands` that the engine reads next."""
    with closing(frames.open_reader(files.state)) as state:
        return _offset(state, "SELECT value FROM about WHERE name = 'commands'")


def generation(files: Files) -> int:
    """Which generation of records the engine keeps."""
    with closing(frames.open_reader(files.state)) as state:
        return _offset(state, "SELECT value FROM about WHERE name = 'generation'")


def rebuilt(files: Files) -> int:
    """0 while a rebuild has yet to take back what it does not publish any more, else 1."""
    with closing(frames.open_reader(files.state)) as state:
        known = state.execute("SELECT 1 FROM sqlite_master WHERE name = 'former'").fetchone()
        return int(not known or not state.execute("SELECT 1 FROM former LIMIT 1").fetchone())


def taken(files: Files, incarnation: str) -> int:
    """The offset of the topic `actions`, in this incarnation of the state file, that delivery reads next."""
    with closing(frames.open_reader(files.ledger)) as ledger:
        return _offset(ledger, "SELECT offset FROM taken WHERE incarnation = ?", incarnation)


def taken_of(files: Files) -> tuple[int, int]:
    """The offset of the topic `actions` that delivery reads next, and the one that its next frame will get."""
    with closing(frames.open_reader(files.state)) as state:
        return taken(files, frames.incarnation(state)), frames.end(state, "actions")


def archived(files: Files, topic: str) -> int:
    """The offset of the topic that the warehouse reads next."""
    with closing(frames.open_reader(files.warehouse)) as warehouse:
        return _offset(warehouse, "SELECT offset FROM watermarks WHERE topic = ?", topic)


def all_archived(files: Files) -> dict[str, int]:
    """The same for every topic that the warehouse has read anything of."""
    try:
        with closing(frames.open_reader(files.warehouse)) as warehouse:
            return dict(warehouse.execute("SELECT topic, offset FROM watermarks"))
    except sqlite3.OperationalError:
        return {}


def _offset(reader: sqlite3.Connection, sql: str, *values: str) -> int:
    row = reader.execute(sql, values).fetchone()
    return int(row[0]) if row else 0


def wait(who: str, stands: Callable[[], int], target: int, told: Told, patience: float = PATIENCE) -> None:
    """Until `stands()` has come to `target`. Raises RapportError when it has made no step for `patience` seconds."""
    at, since = -1, time.monotonic()
    while (now := _look(stands)) < target:
        told(who, now, target)
        if now > at:
            at, since = now, time.monotonic()
        if time.monotonic() - since > patience:
            where = f"stands at {now:,} of {target:,} frames and has" if now >= 0 else "has no file yet, and has"
            raise RapportError(
                f"{who} {where} not moved for {patience:.0f} seconds: look at the log of `rapport up`, then try again"
            )
        time.sleep(PAUSE)
    told(who, target, target)


def _look(stands: Callable[[], int]) -> int:
    """Where it stands; -1 while its file is not there yet."""
    try:
        return stands()
    except sqlite3.OperationalError:
        return -1


def silent(who: str, at: int, target: int) -> None:
    """Told nobody."""
