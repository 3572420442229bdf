"""Since when the definitions are the ones of today: the state file's row `in_force`.

Whoever was last judged by others is judged silently as of that instant, because an edit of a file makes nobody enter
an audience. What time does to them from then on is told as ever: no alarm that is set is lost by an edit.
"""

import json
import sqlite3

_ROW = "in_force"


def since(db: sqlite3.Connection, fingerprint: str, now: int) -> int:
    """The instant (epoch ms) at which the definitions with this fingerprint came into force. New ones do so at `now`,
    or, where an alarm is overdue, just before it."""
    row = db.execute("SELECT value FROM about WHERE name = ?", (_ROW,)).fetchone()
    known = json.loads(row[0]) if row else {}
    if known.get("definitions") == fingerprint:
        return int(known["since"])
    waiting = db.execute("SELECT min(due) FROM wakeups WHERE stage = 'assemble'").fetchone()[0]
    found = now if waiting is None else min(now, waiting - 1)
    noted = json.dumps({"definitions": fingerprint, "since": found})
    db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (_ROW, noted))
    return found
