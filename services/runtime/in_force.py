"""Since when the definitions are the ones of today: embedded, the state file's row `in_force`.

Whoever was last judged by others is judged silently as of that instant, because an edit of a file makes nobody enter
an audience. What time does to them from then on is told as ever: no alarm that is set is lost by an edit.
"""

import json
import sqlite3

_ROW = "in_force"


def since(db: sqlite3.Connection, fingerprint: str, now: int) -> int:
    """The instant (epoch ms) at which the definitions with this fingerprint came into force, noted in the file."""
    row = db.execute("SELECT value FROM about WHERE name = ?", (_ROW,)).fetchone()
    waiting = db.execute("SELECT min(due) FROM wakeups WHERE stage = 'assemble'").fetchone()[0]
    noted, found = agreed(row[0] if row else None, fingerprint, now, waiting)
    db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (_ROW, noted))
    return found


def agreed(noted: str | None, fingerprint: str, now: int, waiting: int | None) -> tuple[str, int]:
    """What to note, and since when the definitions are in force, going by what was noted the last time. New ones are
    since `now`, or, where an alarm is overdue, since just before it: `waiting` is the instant of the earliest alarm."""
    known = json.loads(noted) if noted else {}
    if known.get("definitions") == fingerprint:
        found = int(known["since"])
    else:
        found = now if waiting is None else min(now, waiting - 1)
    return json.dumps({"definitions": fingerprint, "since": found}), found
