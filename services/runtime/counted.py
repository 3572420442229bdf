"""From which touchpoints on each trait and counted event is counted: the state file's row `counted`.

For each key the ranges of log offsets that the cells have it of, [from, to): the last one is open while the definition
is in force. A definition that goes away and comes back finds its former part in the cells, and lacks what lies between.
"""

import json
import sqlite3
from collections.abc import Iterable

ROW = "counted"
Ranges = list[list[int | None]]


def read(db: sqlite3.Connection) -> dict[str, Ranges]:
    """The ranges of every key that was ever counted."""
    row = db.execute("SELECT value FROM about WHERE name = ?", (ROW,)).fetchone()
    found: dict[str, Ranges] = json.loads(row[0]) if row else {}
    return found


def write(db: sqlite3.Connection, counted: dict[str, Ranges]) -> None:
    """Put them into the file; the caller may have a transaction open."""
    db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (ROW, json.dumps(counted)))


def begin(db: sqlite3.Connection, keys: Iterable[str], watermark: int) -> None:
    """These keys are counted from the watermark on, and no others. Without a row everything is counted that there is:
    the file is new, or a rebuild has begun."""
    known = db.execute("SELECT 1 FROM about WHERE name = ?", (ROW,)).fetchone() is not None
    counted, wanted = read(db), set(keys)
    for key, ranges in counted.items():
        if ranges and ranges[-1][1] is None and key not in wanted:
            ranges[-1][1] = watermark
    for key in wanted:
        ranges = counted.setdefault(key, [])
        if not ranges or ranges[-1][1] is not None:
            ranges.append([watermark if known else 0, None])
    write(db, counted)


def missing(ranges: Ranges) -> list[tuple[int, int]]:
    """The offsets that lack, as [from, to), in order."""
    found, at = [], 0
    for start, end in ranges:
        assert start is not None
        if start > at:
            found.append((at, start))
        at = start if end is None else end
    return found
