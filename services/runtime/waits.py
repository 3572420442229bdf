"""Waits of rules that cannot be read: before 2026-11-22 they were written so that nobody can. The engine would stop at
each of them when it is over, so they are given up when it starts, by name."""

import sqlite3

import msgspec

from services.automation.rules import Rules
from services.runtime import frames

_read = msgspec.msgpack.Decoder(Rules.record).decode


def give_up_unreadable(db: sqlite3.Connection) -> list[str]:
    """Delete them with their wake-ups, in one transaction. Returns their keys (`rules.pending_key`)."""
    sql = "SELECT DISTINCT key, value FROM wakeups JOIN records_rules USING (key) WHERE stage = 'rules' ORDER BY key"
    gone = [key for key, value in db.execute(sql) if not _readable(value)]
    if gone:
        with frames.transaction(db):
            db.executemany("DELETE FROM wakeups WHERE stage = 'rules' AND key = ?", [(key,) for key in gone])
            db.executemany("DELETE FROM records_rules WHERE key = ?", [(key,) for key in gone])
    return gone


def _readable(value: bytes) -> bool:
    try:
        _read(value)
    except msgspec.DecodeError:
        return False
    return True
