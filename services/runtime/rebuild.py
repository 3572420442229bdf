"""Rebuild the state from what was accepted: a new generation of records, read again from the first touchpoint on.

What the log no longer holds comes from the archive. Everything read again counts as restored, so nothing is followed
up a second time, and documents of the new generation have higher versions than those of the old.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence

import clickhouse_connect
import msgspec

from schemas import fast
from services.errors import RapportError
from services.profile.person import GENERATION, Person
from services.runtime import frames
from services.runtime.frames import StoredFrame
from services.runtime.settings import Settings

_FRAMES = """
SELECT offset, groupArray(payload) AS lines
FROM (SELECT offset, index, payload FROM touchpoint_log FINAL
      WHERE offset >= {start:UInt64} AND offset < {end:UInt64} ORDER BY offset, index)
GROUP BY offset ORDER BY offset LIMIT {frames:UInt32}
"""
SPAN = 2_000  # offsets asked for at once
_person = msgspec.msgpack.Decoder(Person).decode


class Archive:
    """Touchpoint frames from the warehouse, as they were in the log. Connects when it is needed."""

    def __init__(self, settings: Settings):
        self._settings = settings

    def read(self, start: int, end: int) -> list[StoredFrame]:
        """The frames of the next offsets from `start`, below `end`."""
        password = self._settings.reader_password
        client = clickhouse_connect.get_client(
            host="127.0.0.1", port=self._settings.clickhouse_port, username="reader",
            password=password.get_secret_value() if password else "",
        )  # fmt: skip
        with client:
            asked = {"start": start, "end": min(end, start + SPAN), "frames": SPAN}
            rows = client.query(_FRAMES, parameters=asked).result_rows
        return [StoredFrame(o, len(lines), 0, "\n".join(lines).encode()) for o, lines in rows]


def read_all(log: sqlite3.Connection, archive: Archive) -> Callable[[int, int], list[StoredFrame]]:
    """A reader of touchpoint frames that goes to the archive for what the log has trimmed."""

    def read(start: int, limit: int) -> list[StoredFrame]:
        beginning = frames.beginning(log, "touchpoints")
        if start < beginning:
            found = archive.read(start, beginning)
            if not found:
                raise RapportError(f"frames {start} to {beginning} are neither in the log nor in the archive")
            return found
        return frames.read(log, "touchpoints", start, limit)

    return read


def generation(db: sqlite3.Connection) -> int:
    """Which generation of records the state file holds; 0 is the first."""
    row = db.execute("SELECT value FROM about WHERE name = 'generation'").fetchone()
    return int(row[0]) if row else 0


def restored_before(db: sqlite3.Connection) -> int:
    """Touchpoints in frames below this offset are being read again, and count as restored."""
    row = db.execute("SELECT value FROM about WHERE name = 'restored_before'").fetchone()
    return int(row[0]) if row else 0


def begin(db: sqlite3.Connection, stages: Iterable[str], log_end: int) -> None:
    """Throw the records away and start the next generation, in one transaction. The published topics stay."""
    new = generation(db) + 1
    db.execute("BEGIN IMMEDIATE")
    db.execute("CREATE TABLE IF NOT EXISTS former (profile_id TEXT PRIMARY KEY, workspace TEXT NOT NULL)")
    persons = db.cursor().execute("SELECT value FROM records_assemble")
    found = (_person(value) for (value,) in persons)
    db.executemany("INSERT OR REPLACE INTO former VALUES (?, ?)", ((one.profile_id, one.workspace) for one in found))
    for stage in stages:
        db.execute(f"DELETE FROM records_{stage}")  # noqa: S608
    db.execute("DELETE FROM wakeups")
    db.execute("DELETE FROM watermarks")
    put: Sequence[tuple[str, str]] = [("generation", str(new)), ("restored_before", str(log_end))]
    db.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", put)
    db.execute("COMMIT")


def end(db: sqlite3.Connection, now: int) -> int:
    """When everything has been read again: publish a tombstone for each profile of the former generation that is none
    any more (the rules may have changed). One transaction; returns how many there were."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'former'").fetchone():
        return 0
    gone = db.execute(
        "SELECT profile_id, workspace FROM former WHERE profile_id NOT IN (SELECT key FROM records_assemble)"
    ).fetchall()
    version = generation(db) * GENERATION
    lines = [fast.dumps(_tombstone(profile_id, workspace, version)) for profile_id, workspace in gone]
    db.execute("BEGIN IMMEDIATE")
    if lines:
        frames.append(db, "profiles", frames.end(db, "profiles"), now, lines)
    db.execute("DROP TABLE former")
    db.execute("COMMIT")
    return len(lines)


def _tombstone(profile_id: str, workspace: str, version: int) -> fast.Profile:
    return fast.Profile(
        workspace=workspace, profile_id=profile_id, version=version, deleted=True,
        traits=fast.EMPTY, computed=fast.EMPTY, consent=fast.EMPTY,
    )  # fmt: skip
