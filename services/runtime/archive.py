"""Touchpoints that the log no longer holds, read again from the warehouse, frame by frame as they were."""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from services.errors import RapportError
from services.runtime import frames
from services.runtime.clickhouse_reader import connect
from services.runtime.frames import StoredFrame
from services.runtime.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

LINES = 10_000  # lines fetched at once: finding them looks through the positions of all rows, whatever it brings
BYTES = 16 * 1024 * 1024  # of payload fetched at once, one frame at least

_ROWS = """FROM touchpoint_log WHERE incarnation = {incarnation:String} AND partition = 0
    AND offset >= {start:UInt64} AND offset < {end:UInt64}"""
_SIZES = f"SELECT offset, max(index) + 1, sum(length(payload)) {_ROWS} GROUP BY offset ORDER BY offset"
_LINES = f"SELECT uniqExact(offset, index) {_ROWS}"
_FRAMES = f"""
SELECT offset, max(index) + 1, arrayMap(line -> line.2, arraySort(groupArray((index, payload))))
FROM (SELECT offset, index, payload {_ROWS} LIMIT 1 BY offset, index) GROUP BY offset ORDER BY offset
"""  # noqa: S608 -- a row that was inserted twice is taken once; groupArray by itself promises no order


class Archive:
    """Frames of the topic `touchpoints` in this life of the log. Connects when it is needed."""

    def __init__(self, settings: Settings, incarnation: str):
        self._settings, self._incarnation = settings, incarnation
        self._client: Client | None = None
        self._fetched: deque[StoredFrame] = deque()

    def read(self, start: int, end: int, limit: int) -> list[StoredFrame]:
        """The frames from offset `start` on, below `end`, in order, until they hold `limit` messages or more (at least
        one frame). Raises RapportError when one of them is not there, or not whole."""
        if not self._fetched or self._fetched[0].offset != start:
            self._fetched = deque(self._fetch(start, end))
        found, total = [], 0
        while self._fetched and total < limit:
            found.append(self._fetched.popleft())
            total += found[-1].count
        return found

    def check(self, log: sqlite3.Connection) -> None:
        """Raises RapportError when it does not have every line that the log has trimmed."""
        row = log.execute("SELECT count, before FROM trimmed WHERE topic = 'touchpoints'").fetchone()
        trimmed, before = row or (0, 0)
        found = self._ask(_LINES, 0, before)[0][0] if trimmed else 0
        if found < trimmed:
            raise RapportError(
                f"{trimmed:,} touchpoints have left the log, and the archive has {found:,} of them: a rebuild would"
                " lose the others. Nothing was changed. Look at `rapport audit`, and put the clickhouse/ folder back"
            )

    def _fetch(self, start: int, end: int) -> list[StoredFrame]:
        sizes = self._ask(_SIZES, start, min(end, start + LINES))
        rows = self._ask(_FRAMES, start, _cut(sizes, start))
        for expected, (offset, count, lines) in enumerate(rows, start):
            if offset != expected or count != len(lines):
                raise _missing(expected)
        if not rows:
            raise _missing(start)
        return [StoredFrame(offset, count, 0, b"\n".join(lines)) for offset, count, lines in rows]

    def _ask(self, sql: str, start: int, end: int) -> Any:
        if self._client is None:
            self._client = connect(self._settings, self._settings.clickhouse_port)
        asked = {"incarnation": self._incarnation, "start": start, "end": end}
        return self._client.query(sql, parameters=asked, query_formats={"String": "bytes"}).result_rows


def _cut(sizes: Iterable[tuple[int, int, int]], start: int) -> int:
    """The offset before which enough is fetched, one frame at least."""
    cut, lines, size = start, 0, 0
    for offset, some, weight in sizes:
        lines, size = lines + some, size + weight
        if cut > start and (lines > LINES or size > BYTES):
            break
        cut = offset + 1
    return cut


def _missing(offset: int) -> RapportError:
    return RapportError(
        f"frame {offset} of the touchpoints has left the log, and the archive does not have all of it: a rebuild would"
        " lose what was accepted. Put the clickhouse/ folder back that has it, or restore an export into an empty one"
    )


def read_all(log: sqlite3.Connection, archive: Archive) -> Callable[[int, int], list[StoredFrame]]:
    """A reader of touchpoint frames that goes to the archive for what the log has trimmed."""

    def read(start: int, limit: int) -> list[StoredFrame]:
        beginning = frames.beginning(log, "touchpoints")
        if start < beginning:
            return archive.read(start, beginning, limit)
        return frames.read(log, "touchpoints", start, limit)

    return read
