"""Frames in a SQLite file: the embedded log. One row is one frame: newline-delimited JSON of 1 to N messages.

A file has one writing process and any number of readers. `synchronous=FULL` with a write-ahead log makes a commit
durable (one fdatasync) before it returns.
"""

import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PAGE = 4_096
CHECKPOINT = 4 * 1024 * 1024  # what is only appended gains nothing by waiting, and the commit should stay short

_TABLES = """
CREATE TABLE IF NOT EXISTS frames (
  topic TEXT NOT NULL, offset INTEGER NOT NULL, count INTEGER NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (topic, offset));
CREATE TABLE IF NOT EXISTS trimmed (topic TEXT PRIMARY KEY, count INTEGER NOT NULL, before INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A frame as the log keeps it: `count` messages, one a line, first seen by the log `at` (epoch ms)."""

    offset: int
    count: int
    at: int
    body: bytes


def open_file(path: Path, page: int = PAGE, checkpoint: int = CHECKPOINT) -> sqlite3.Connection:
    """Open (make) a log file for its one writer. Commits are explicit.

    `page` is the size of its pages in bytes (of a file that is made), `checkpoint` how many bytes gather in the
    write-ahead log before they are put into their places, which makes that commit a longer one.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute(f"PRAGMA page_size={page}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={checkpoint // page}")
    connection.executescript(_TABLES)
    connection.execute("INSERT OR IGNORE INTO about VALUES ('incarnation', ?)", (uuid.uuid4().hex,))
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a file that another process writes. Raises sqlite3.OperationalError while it does not exist."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only=1")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing, on disk at the end."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def incarnation(connection: sqlite3.Connection) -> str:
    """The name of this very log: a log made anew has another one."""
    row = connection.execute("SELECT value FROM about WHERE name = 'incarnation'").fetchone()
    return str(row[0])


def end(connection: sqlite3.Connection, topic: str) -> int:
    """The offset that the topic's next frame will get. Frames that were trimmed still count."""
    row = connection.execute(
        "SELECT max(coalesce((SELECT max(offset) + 1 FROM frames WHERE topic = :topic), 0),"
        " coalesce((SELECT before FROM trimmed WHERE topic = :topic), 0))",
        {"topic": topic},
    ).fetchone()
    return int(row[0])


def newest(connection: sqlite3.Connection, topic: str) -> int:
    """When the topic's last frame that is still there came (epoch ms); -1 when there is none."""
    sql = "SELECT at FROM frames WHERE topic = ? ORDER BY offset DESC LIMIT 1"
    row = connection.execute(sql, (topic,)).fetchone()
    return int(row[0]) if row else -1


def append(connection: sqlite3.Connection, topic: str, offset: int, at: int, lines: Sequence[bytes]) -> None:
    """Put one frame of lines at this offset; the caller commits."""
    connection.execute("INSERT INTO frames VALUES (?, ?, ?, ?, ?)", (topic, offset, len(lines), at, b"\n".join(lines)))


def read(connection: sqlite3.Connection, topic: str, start: int, limit: int) -> list[StoredFrame]:
    """The frames from offset `start` on, in order, until they hold `limit` messages or more (at least one frame)."""
    found, total = [], 0
    rows = connection.execute(
        "SELECT offset, count, at, body FROM frames WHERE topic = ? AND offset >= ? ORDER BY offset", (topic, start)
    )
    for row in rows:
        found.append(StoredFrame(*row))
        total += found[-1].count
        if total >= limit:
            break
    rows.close()
    return found


def beginning(connection: sqlite3.Connection, topic: str) -> int:
    """The first offset that is still there."""
    row = connection.execute("SELECT before FROM trimmed WHERE topic = ?", (topic,)).fetchone()
    return int(row[0]) if row else 0


def total(connection: sqlite3.Connection, topic: str) -> int:
    """How many messages were ever appended to the topic, trimmed ones included."""
    row = connection.execute(
        "SELECT coalesce((SELECT sum(count) FROM frames WHERE topic = :topic), 0)"
        " + coalesce((SELECT count FROM trimmed WHERE topic = :topic), 0)",
        {"topic": topic},
    ).fetchone()
    return int(row[0])


def trim(connection: sqlite3.Connection, topic: str, before: int, older_than: int) -> int:
    """Drop the frames below offset `before` that came before `older_than` (epoch ms). Returns how many frames.

    Only a prefix is ever dropped, and its messages stay counted. One transaction.
    """
    with transaction(connection):
        return _trim(connection, topic, before, older_than)


def _trim(connection: sqlite3.Connection, topic: str, before: int, older_than: int) -> int:
    row = connection.execute(
        "SELECT min(offset) FROM frames WHERE topic = ? AND (offset >= ? OR at >= ?)", (topic, before, older_than)
    ).fetchone()
    cut = min(before, row[0] if row[0] is not None else end(connection, topic))
    frames, messages = connection.execute(
        "SELECT count(*), coalesce(sum(count), 0) FROM frames WHERE topic = ? AND offset < ?", (topic, cut)
    ).fetchone()
    if frames:
        connection.execute("DELETE FROM frames WHERE topic = ? AND offset < ?", (topic, cut))
        connection.execute(
            "INSERT INTO trimmed VALUES (?, ?, ?)"
            " ON CONFLICT (topic) DO UPDATE SET count = count + excluded.count, before = max(before, excluded.before)",
            (topic, messages, cut),
        )
    return int(frames)
