"""Figures from the SQLite files, each read in one transaction, so that all of one file stand at the same instant."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import msgspec

from schemas import fast
from services.profile import accounts as companies
from services.profile.definitions import Definitions
from services.profile.person import Person, document
from services.runtime import frames, rebuild
from services.runtime.audit.books import FollowUps, Ledger, Topic
from services.runtime.audit.matching import Ours, added

CHUNK = 5_000  # messages read at a time


class Cut(NamedTuple):
    """Where a topic ends for this audit, in which life of the file that holds it."""

    incarnation: str
    end: int


class _Anchor(msgspec.Struct):
    """What is counted of a record of the fold; its other records have neither."""

    n: int = 0
    waiting: list[msgspec.Raw] = []


class _Known(msgspec.Struct):
    """What is compared of a record of identity; its other records have no owner."""

    owner: str = ""
    version: int = 0


class _Action(msgspec.Struct):
    """What is counted of an action."""

    key: str


@contextmanager
def snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """A reader that sees the file as it is now, until it is closed."""
    with closing(frames.open_reader(path)) as reader:
        reader.execute("BEGIN")
        frames.incarnation(reader)
        yield reader


def cut(reader: sqlite3.Connection, topic: str, before: Mapping[str, int]) -> Cut:
    """The topic as far as it goes, or as far as the warehouse had read it `before`: a file may have lost its end."""
    return Cut(frames.incarnation(reader), max(frames.end(reader, topic), before.get(topic, 0)))


def end(path: Path, topic: str) -> int:
    """Where the topic ends by now."""
    with closing(frames.open_reader(path)) as reader:
        return frames.end(reader, topic)


def topic(reader: sqlite3.Connection, store: str, name: str, end: int) -> Topic:
    """All messages of a topic, each by itself, up to the offset `end`."""
    row = reader.execute("SELECT count FROM trimmed WHERE topic = ?", (name,)).fetchone()
    kept = added(lines(reader, name, end))
    return Topic(store, kept.lines + (row[0] if row else 0), frames.beginning(reader, name), kept.content)


def decided(state: sqlite3.Connection, end: int) -> list[str]:
    """The keys of the follow-ups in the topic `actions`, each once."""
    decode = msgspec.json.Decoder(_Action).decode
    return list(dict.fromkeys(decode(line).key for line in lines(state, "actions", end)))


def folded(state: sqlite3.Connection) -> int:
    """The touchpoints in the records of the fold."""
    decode = msgspec.msgpack.Decoder(_Anchor).decode
    records = (decode(value) for (value,) in state.execute("SELECT value FROM records_fold"))
    return sum(record.n + len(record.waiting) for record in records)


def people(state: sqlite3.Connection, definitions: Definitions) -> Iterator[Ours]:
    """Everybody with a touchpoint, by profile id: how many, and the version and the checksum of the document that must
    have been published of them. No checksum of somebody who was last judged by other definitions than these: what was
    published then cannot be made again (a replay publishes everybody anew)."""
    decode, generation = msgspec.msgpack.Decoder(Person).decode, rebuild.generation(state)
    for key, value in state.execute("SELECT key, value FROM records_assemble ORDER BY key"):
        person = decode(value)
        touchpoints = sum(held.n for held in person.anchors.values() if held.cell is not None)
        if touchpoints:
            found = document(person, definitions, generation)
            content = (str(crc32(fast.dumps(found))),) if person.judged == definitions.fingerprint else ()
            yield Ours(key, (str(touchpoints), str(found.version), *content), touchpoints)


def accounts(state: sqlite3.Connection, definitions: Definitions) -> Iterator[Ours]:
    """Every account, by profile id, with the same figures as a person. What the stage keeps of single contributors is
    none of them: their keys have an @."""
    decode, generation = msgspec.msgpack.Decoder(companies.Account).decode, rebuild.generation(state)
    sql = "SELECT key, value FROM records_accounts WHERE instr(key, '@') = 0 ORDER BY key"
    for key, value in state.execute(sql):
        account = decode(value)
        found = companies.document(account, definitions.accounts, generation)
        content = (str(crc32(fast.dumps(found))),) if account.judged == definitions.accounts.fingerprint else ()
        yield Ours(key, (str(found.touchpoints), str(found.version), *content), found.touchpoints)


def owners(state: sqlite3.Connection) -> Iterator[Ours]:
    """Every identifier that changed hands, and whose it is; by the profile id that it names by itself."""
    decode = msgspec.msgpack.Decoder(_Known).decode
    for key, value in state.execute("SELECT key, value FROM records_identity WHERE key LIKE 'p%' ORDER BY key"):
        known = decode(value)
        if known.version:
            yield Ours(key, (known.owner,))


def ledger(reader: sqlite3.Connection, keys: Iterable[str]) -> Ledger:
    """The ledger, and in it the follow-ups with these keys."""
    rows, different = reader.execute("SELECT count(*), count(DISTINCT key) FROM sends").fetchone()
    statuses: Counter[str] = Counter()
    found = []
    for key in keys:
        row = reader.execute("SELECT status FROM sends WHERE key = ?", (key,)).fetchone()
        if row:
            statuses["waiting" if row[0] == "attempting" else row[0]] += 1  # as it is told to others
            found.append(key.encode())
    return Ledger(rows, different, FollowUps(added(found), statuses))


def lines(reader: sqlite3.Connection, topic: str, end: int) -> Iterator[bytes]:
    """The messages of the topic that are still there, up to the offset `end`."""
    at = 0
    while at < end and (found := frames.read(reader, topic, at, CHUNK)):
        for frame in found:
            if frame.offset < end:
                yield from frame.body.split(b"\n")
        at = found[-1].offset + 1
