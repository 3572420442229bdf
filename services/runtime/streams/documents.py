"""The snapshot of a compacted topic: the document that each key has now, in the order of the keys.

It is made from the records that the documents are published from, so nothing is kept twice. A page is one short
transaction. Records change between two pages; but whoever noted where the topic ended before the first page, and reads
on from there after the last one, has missed nothing: a change is published in the transaction that makes it. A document
may come once in the snapshot and once more afterwards; its version only grows.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from schemas import fast
from schemas.topics import Topic
from services.profile import accounts
from services.profile.definitions import Definitions
from services.profile.person import Person, document
from services.runtime import rebuild

KEYS = 200  # records of one page

# Of the stage that publishes a compacted topic: its record of a key, and what makes the document of it
MAKERS: dict[str, tuple[type[msgspec.Struct], Callable[[Any, Definitions, int], fast.Profile]]] = {
    "assemble": (Person, document),
    "accounts": (accounts.Account, lambda record, said, number: accounts.document(record, said.accounts, number)),
}


class _Whose(msgspec.Struct):
    """What decides whether a record belongs to a snapshot at all: many are another workspace's, or no document's."""

    workspace: str = ""
    count: int = 0


class Page(NamedTuple):
    """(key, document) pairs, and the key up to which records were read; None: to the last one."""

    documents: list[tuple[str, bytes]]
    after: str | None


class Documents:
    """Makes the documents that a stage of MAKERS publishes, by the definitions in force."""

    def __init__(self, stage: str, definitions: Definitions):
        record, self._document = MAKERS[stage]
        self._definitions = definitions
        self._page = f"SELECT key, value FROM records_{stage} WHERE key > ? ORDER BY key LIMIT ?"  # noqa: S608
        self._whose = msgspec.msgpack.Decoder(_Whose).decode
        self._record = msgspec.msgpack.Decoder(record).decode

    def every(self, db: sqlite3.Connection, workspace: str | None) -> Iterator[bytes]:
        """All documents of a workspace (None: of all), page by page."""
        after: str | None = ""
        while after is not None:
            with one_instant(db):
                found, after = self.page(db, workspace, after)
            yield from (value for _, value in found)

    def page(self, db: sqlite3.Connection, workspace: str | None, after: str) -> Page:
        """The documents of a workspace (None: of all) behind the key `after`. The caller's transaction."""
        rows = db.execute(self._page, (after, KEYS)).fetchall()
        generation = rebuild.generation(db)
        found = [(key, self._made(value, generation)) for key, value in rows if self._belongs(value, workspace)]
        return Page(found, rows[-1][0] if len(rows) == KEYS else None)

    def _belongs(self, value: bytes, workspace: str | None) -> bool:
        """Without a count nothing was ever published under the key."""
        whose = self._whose(value)
        return whose.count > 0 and workspace in (None, whose.workspace)

    def _made(self, value: bytes, generation: int) -> bytes:
        return fast.dumps(self._document(self._record(value), self._definitions, generation))


def documents_of(topic: Topic, definitions: Definitions) -> Documents | None:
    """The snapshot of a topic; None for one that has none."""
    stage = topic.producers[0]
    return Documents(stage, definitions) if topic.retention is None and stage in MAKERS else None


@contextmanager
def one_instant(db: sqlite3.Connection) -> Iterator[None]:
    """Everything read inside stands at one instant."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("ROLLBACK")
