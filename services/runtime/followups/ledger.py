"""The ledger of follow-ups: one row per send key, durable before the call. It is why nothing is sent twice (law 5).

    waiting ──► attempting ──► sent | dead (tried often enough, or refused for good by the receiver)
       │  ▲          │
       │  └──────────┤ try again later
       ├──► held     ├──► failed     (it can never be made or accepted as it is)
       └──► failed   └──► uncertain  (it may have arrived, and the destination cannot tell a repetition)

Only `waiting` rows are ever sent. `held`, `failed`, `uncertain` and `dead` wait for a person (desk.py).
One process writes the file; any may read it. What happened is told on the topic `deliveries` in the same transaction.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from schemas import fast
from schemas.fast import Action, Delivery
from services.runtime import frames
from services.runtime.followups.caps import Limit, Person, Room, room
from services.runtime.going_live import live

REPEATABLE = frozenset({"webhook", "task"})  # kinds whose destination takes an idempotency key

_TABLES = """
CREATE TABLE IF NOT EXISTS sends (
  key TEXT NOT NULL UNIQUE, workspace TEXT NOT NULL, rule TEXT NOT NULL, kind TEXT NOT NULL, anchor TEXT NOT NULL,
  profile_id TEXT NOT NULL, action BLOB NOT NULL, status TEXT NOT NULL, attempt INTEGER NOT NULL,
  next_at INTEGER NOT NULL, reason TEXT NOT NULL, recipient TEXT NOT NULL, at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS sends_by_status ON sends (status, kind, next_at);
CREATE INDEX IF NOT EXISTS sends_by_anchor ON sends (anchor, at);
CREATE TABLE IF NOT EXISTS rules (
  workspace TEXT NOT NULL, rule TEXT NOT NULL, fingerprint TEXT NOT NULL, live_at INTEGER NOT NULL,
  PRIMARY KEY (workspace, rule));
CREATE TABLE IF NOT EXISTS taken (incarnation TEXT PRIMARY KEY, offset INTEGER NOT NULL);
"""


Status = Literal["waiting", "attempting", "sent", "held", "failed", "uncertain", "dead"]


class Send(NamedTuple):
    """One row, its fields in the order of the table's columns.

    `attempt` counts the tries begun, `next_at` (epoch ms) is when a waiting one is due, `at` when the status was set;
    `recipient` is the address or host of the last try.
    """

    key: str
    workspace: str
    rule: str
    kind: str
    anchor: str
    profile_id: str
    action: bytes
    status: Status
    attempt: int
    next_at: int
    reason: str
    recipient: str
    at: int


class Settled(NamedTuple):
    """What became of a follow-up: sent, held, failed, uncertain, dead, or waiting until `next_at` (epoch ms)."""

    send: Send
    status: Status
    reason: str = ""
    next_at: int = 0


class Claim(NamedTuple):
    """An attempt that is about to begin, whom it goes to (address or host), and what bounds it for which person."""

    send: Send
    recipient: str
    person: Person = Person("", ())
    bounds: tuple[Limit, ...] = ()


class Ledger:
    """The ledger file, for its one writer. Every method is one transaction, on disk when it returns."""

    def __init__(self, path: Path):
        self._db = frames.open_file(path)
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def positions(self, incarnations: Sequence[str]) -> dict[str, int]:
        """The offsets to read next in these incarnations of the topic `actions`, of those that have been read."""
        sql = "SELECT incarnation, offset FROM taken WHERE incarnation IN (SELECT value FROM json_each(?))"
        return dict(self._db.execute(sql, (json.dumps(list(incarnations)),)).fetchall())

    def take(self, positions: Mapping[str, int], actions: Sequence[Action], now: int) -> int:
        """Write down the actions read up to these offsets, each to be sent at once. Returns how many were new: a key
        that is known, in whatever status, is absorbed."""
        with self.transaction() as db:
            fresh = [send for send in (fresh_row(action, now) for action in actions) if insert(db, send)]
            self.tell([told(send) for send in fresh], now)
            db.executemany("INSERT OR REPLACE INTO taken VALUES (?, ?)", positions.items())
        return len(fresh)

    def recover(self, now: int) -> int:
        """After a start: what was being sent when the process ended is uncertain. It is tried again where the
        destination takes an idempotency key, else kept for a person. Returns how many there were."""
        with self.transaction() as db:
            found = rows(db, ["attempting"], limit=-1)
            for send in found:
                status: Status = "waiting" if send.kind in REPEATABLE else "uncertain"
                reason = "the platform ended during the attempt"
                self._set(send, status, now, reason=reason, recipient=send.recipient)
        return len(found)

    def due(self, kind: str, now: int, limit: int, but: frozenset[str] = frozenset()) -> list[Send]:
        """The waiting rows of one kind that are due, the longest due first, at most `limit`, without the keys `but`."""
        found = self._db.execute(
            "SELECT * FROM sends WHERE status = 'waiting' AND kind = ? AND next_at <= ?"
            " ORDER BY next_at, rowid LIMIT ?",
            (kind, now, limit + len(but)),
        )
        return [send for send in map(Send._make, found) if send.key not in but][:limit]

    def note(self, settled: Sequence[Settled], claims: Sequence[Claim], now: int) -> list[Send]:
        """Write down what became of these, and, before their calls, that an attempt begins of those. One transaction
        for all: a commit costs more than anything else here.

        Returns the claimed rows: those within their caps. What is under way counts, and so does what stands before a
        claim in this very list."""
        with self.transaction() as db:
            for send, status, reason, next_at in settled:
                self._set(send, status, now, reason=reason, next_at=next_at, recipient=send.recipient)
            return [self._claim(claim, now) for claim in claims if room(db, claim.person, claim.bounds, now).free]

    def room(self, person: Person, bounds: Sequence[Limit], now: int) -> Room:
        """Whether the caps let one more be sent to this person now."""
        return room(self._db, person, bounds, now)

    def trim(self, before: int, older_than: int) -> int:
        """Drop the frames of the topic `deliveries` below offset `before` that came before `older_than` (epoch ms).
        Keys are kept for ever. Returns how many frames."""
        return frames.trim(self._db, "deliveries", before, older_than)

    def go_live(self, rules: Mapping[tuple[str, str], str], now: int) -> dict[tuple[str, str], int]:
        """When each rule went live (epoch ms), and note it: `rules` are the fingerprints by (workspace, name), all that
        there are. See `live` for what going live means."""
        with self.transaction() as db:
            rows = db.execute("SELECT workspace, rule, fingerprint, live_at FROM rules")
            found = live({(w, r): (fingerprint, at) for w, r, fingerprint, at in rows}, rules, now)
            db.execute("DELETE FROM rules")
            db.executemany("INSERT INTO rules VALUES (?, ?, ?, ?)", [(*rule, *one) for rule, one in found.items()])
        return {rule: at for rule, (_, at) in found.items()}

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing, on disk at the end."""
        with frames.transaction(self._db):
            yield self._db

    def tell(self, deliveries: Sequence[Delivery], now: int) -> None:
        """Put these on the topic `deliveries`, inside the caller's transaction."""
        if deliveries:
            lines = [fast.dumps(delivery) for delivery in deliveries]
            frames.append(self._db, "deliveries", frames.end(self._db, "deliveries"), now, lines)

    def _claim(self, claim: Claim, now: int) -> Send:
        send = claim.send
        claimed = send._replace(status="attempting", attempt=send.attempt + 1, recipient=claim.recipient, at=now)
        sql = "UPDATE sends SET status = 'attempting', attempt = ?, recipient = ?, at = ? WHERE key = ?"
        self._db.execute(sql, (claimed.attempt, claimed.recipient, now, send.key))
        return claimed

    def _set(self, send: Send, status: Status, now: int, reason: str, recipient: str, next_at: int = 0) -> None:
        sql = "UPDATE sends SET status = ?, attempt = ?, next_at = ?, reason = ?, recipient = ?, at = ? WHERE key = ?"
        self._db.execute(sql, (status, send.attempt, next_at, reason, recipient, now, send.key))
        self.tell([told(send._replace(status=status, reason=reason, recipient=recipient, at=now))], now)


def rows(connection: sqlite3.Connection, statuses: Sequence[Status], limit: int) -> list[Send]:
    """The rows in these statuses, oldest first, at most `limit` (-1: all). Any process may ask with a reader."""
    sql = "SELECT * FROM sends WHERE status IN (SELECT value FROM json_each(?)) ORDER BY rowid LIMIT ?"
    return [Send._make(row) for row in connection.execute(sql, (json.dumps(statuses), limit))]


def told(send: Send) -> Delivery:
    """A row as the message that tells of it. Being attempted is told as waiting."""
    return Delivery(
        workspace=send.workspace, key=send.key, rule=send.rule, kind=send.kind, profile_id=send.profile_id,
        status="waiting" if send.status == "attempting" else send.status,
        attempt=send.attempt, reason=send.reason, to=send.recipient, at=send.at,
    )  # fmt: skip


def fresh_row(action: Action, now: int) -> Send:
    """The row of an action that has just been taken: due at once. What the rule held is held; a message has been sent
    by being on the topic `actions`."""
    published = action.kind == "message" and not action.held
    status: Status = "held" if action.held else "sent" if published else "waiting"
    return Send(
        action.key, action.workspace, action.rule, action.kind, action.anchor, action.profile_id, fast.dumps(action),
        status, int(published), now, action.held, "the topic actions" if published else "", now,
    )  # fmt: skip


def insert(db: sqlite3.Connection, send: Send) -> bool:
    """Add a row unless its key is known. Returns whether it was added. The caller's transaction."""
    sql = "INSERT OR IGNORE INTO sends VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    return db.execute(sql, send).rowcount == 1
