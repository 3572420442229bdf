"""Rebuild the state from what was accepted: a new generation of records, read again from the first touchpoint on.

Everything read again counts as restored, so nothing is followed up a second time. What the new generation publishes
has higher versions than what the old one did; what the old one published and the new one does not is taken back.
"""

import sqlite3
from collections.abc import Iterable, Iterator

import msgspec

from schemas import fast
from schemas.identifiers import profile_id
from services.identity.records import Known, Record
from services.processor import GENERATION
from services.profile.person import Person, identifiers
from services.runtime import frames

_person = msgspec.msgpack.Decoder(Person).decode
_known = msgspec.msgpack.Decoder(Record).decode
KEPT = frozenset({"rules"})  # stages with decisions of their own, which no touchpoint that is restored brings back
_FORMER = """
CREATE TABLE IF NOT EXISTS former (profile_id TEXT PRIMARY KEY, workspace TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS former_members (workspace TEXT, identifier TEXT, PRIMARY KEY (workspace, identifier));
"""


def generation(db: sqlite3.Connection) -> int:
    """Which generation of records the state file holds; 0 is the first."""
    row = db.execute("SELECT value FROM about WHERE name = 'generation'").fetchone()
    return int(row[0]) if row else 0


def dealt_with(db: sqlite3.Connection) -> int:
    """Up to when (epoch ms) what fell due was dealt with before the present generation of records began."""
    row = db.execute("SELECT value FROM about WHERE name = 'dealt_with'").fetchone()
    return int(row[0]) if row else 0


def restored_before(db: sqlite3.Connection) -> int:
    """Touchpoints in frames below this offset are being read again, and count as restored."""
    row = db.execute("SELECT value FROM about WHERE name = 'restored_before'").fetchone()
    return int(row[0]) if row else 0


def read_before(db: sqlite3.Connection) -> int:
    """Touchpoints in frames below this offset have been read, by this generation of records or a former one."""
    sql = "SELECT offset FROM watermarks WHERE stage = 'fold' AND topic = 'touchpoints'"
    row = db.execute(sql).fetchone()
    return max(row[0] if row else 0, restored_before(db))


def begin(db: sqlite3.Connection, stages: Iterable[str], read: int, now: int) -> None:
    """Throw the records away and start the next generation, in one transaction. The published topics stay, and so does
    what rules have decided and not done yet: nothing that is read again would decide it anew. Touchpoints in frames
    below offset `read` are read again. What has fallen due by `now` (epoch ms) is never acted on again, but for the
    wake-ups that wait to be fired."""
    db.executescript(_FORMER)
    new = generation(db) + 1
    waiting = db.execute("SELECT min(due) FROM wakeups WHERE stage = 'assemble'").fetchone()[0]
    dealt = max(dealt_with(db), now if waiting is None else min(now, waiting - 1))
    with frames.transaction(db):
        for (value,) in db.cursor().execute("SELECT value FROM records_assemble"):
            _remember(db, _person(value))
        for stage in stages:
            if stage not in KEPT:
                db.execute(f"DELETE FROM records_{stage}")  # noqa: S608
                db.execute("DELETE FROM wakeups WHERE stage = ?", (stage,))
        db.execute("DELETE FROM watermarks")
        db.execute("DELETE FROM about WHERE name IN ('counted', 'backfill')")  # all of it is counted from the first on
        put = [("generation", str(new)), ("restored_before", str(read)), ("dealt_with", str(dealt))]
        db.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", put)


def end(db: sqlite3.Connection, now: int) -> int:
    """When everything has been read again: a tombstone for each profile that is none any more, and its default owner
    for each identifier that is not moved any more (the rules may have changed). One transaction; returns how many
    messages there were."""
    db.executescript(_FORMER)
    version = generation(db) * GENERATION
    taken_back = {"profiles": list(_tombstones(db, version)), "membership": list(_own_again(db, version))}
    with frames.transaction(db):
        for topic, lines in taken_back.items():
            if lines:
                frames.append(db, topic, frames.end(db, topic), now, lines)
        db.execute("DELETE FROM former")
        db.execute("DELETE FROM former_members")
    return sum(map(len, taken_back.values()))


def _remember(db: sqlite3.Connection, person: Person) -> None:
    workspace, own = person.workspace, person.profile_id
    db.execute("INSERT OR IGNORE INTO former VALUES (?, ?)", (own, workspace))
    moved = [(workspace, one) for one in identifiers(person) if profile_id(workspace, one) != own]
    db.executemany("INSERT OR IGNORE INTO former_members VALUES (?, ?)", moved)


def _tombstones(db: sqlite3.Connection, version: int) -> Iterator[bytes]:
    sql = "SELECT profile_id, workspace FROM former WHERE profile_id NOT IN (SELECT key FROM records_assemble)"
    for own, workspace in db.execute(sql):
        yield fast.dumps(
            fast.Profile(
                workspace=workspace, profile_id=own, version=version, deleted=True,
                traits=fast.EMPTY, computed=fast.EMPTY, consent=fast.EMPTY,
            )
        )  # fmt: skip


def _own_again(db: sqlite3.Connection, version: int) -> Iterator[bytes]:
    for workspace, identifier in db.execute("SELECT workspace, identifier FROM former_members"):
        own = profile_id(workspace, identifier)
        row = db.execute("SELECT value FROM records_identity WHERE key = ?", (own,)).fetchone()
        known = _known(row[0]) if row else None
        if not isinstance(known, Known) or not known.version:
            yield fast.dumps(fast.Membership(workspace=workspace, identifier=identifier, owner=own, version=version))
