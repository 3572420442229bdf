"""The books: what each store says of the same thing, and whether they all say the same. Pure.

    received = accepted + duplicates        accepted = sum over people        every message once in the warehouse

Besides how many there are, sums of checksums (CRC-32 of every line) are compared: neither one line missing and another
doubled, nor a line that is not what it was, goes unnoticed.
"""

from collections.abc import Mapping
from typing import NamedTuple

MASK = (1 << 64) - 1  # checksums are added as ClickHouse adds UInt64


class Sum(NamedTuple):
    """So many lines, the sum of their checksums, and of what they weigh (a person's touchpoints, say)."""

    lines: int = 0
    checksum: int = 0
    weight: int = 0

    @property
    def content(self) -> str:
        """The checksum, in hexadecimal."""
        return f"{self.checksum & MASK:016x}"


class Topic(NamedTuple):
    """A topic in the file that it was published to: how many messages there `ever` were up to the cut, and the sum of
    the checksums of those still there, which are those from the offset `beginning` on."""

    store: str
    ever: int
    beginning: int
    content: str


class Archived(NamedTuple):
    """The same topic in the warehouse: rows, different positions, checksums over the offsets still in the file."""

    rows: int
    positions: int
    content: str


class FollowUps(NamedTuple):
    """The follow-ups that the engine has decided, in one store: their keys, and how many have which status."""

    keys: Sum
    statuses: Mapping[str, int]


class Ledger(NamedTuple):
    """All rows of the ledger (also restored ones), how many different keys they have, and those that were decided."""

    rows: int
    different: int
    decided: FollowUps


class Views(NamedTuple):
    """What analysts see: touchpoints without the duplicates, the duplicates, touchpoints for an account, follow-ups."""

    touchpoints: int
    duplicates: int
    grouped: int
    follow_ups: FollowUps


class Matched(NamedTuple):
    """The same records in the engine and in the warehouse."""

    engine: Sum
    warehouse: Sum


class Figures(NamedTuple):
    """Everything that was gathered, at one cut through all stores. `folded` touchpoints are those in the anchors of
    the fold, `people` and `accounts` weigh their touchpoints, `owners` are identifiers with the person they belong to,
    `decided` the keys of the follow-ups that the engine published, `strays` the rows of each topic that no file
    accounts for. `conflicts` are message ids under several anchors, which is allowed."""

    topics: Mapping[str, Topic]
    archive: Mapping[str, Archived]
    folded: int
    people: Matched
    accounts: Matched
    owners: Matched
    decided: Sum
    ledger: Ledger
    views: Views
    strays: Mapping[str, int]
    conflicts: int


class Entry(NamedTuple):
    """One figure, and the store that it was taken from. A checksum is text."""

    store: str
    value: int | str


class Account(NamedTuple):
    """Figures that must be the same."""

    title: str
    entries: tuple[Entry, ...]

    @property
    def balanced(self) -> bool:
        """Whether they are."""
        return len({entry.value for entry in self.entries}) == 1


class Report(NamedTuple):
    """All accounts; and, for information, how many message ids are under several anchors."""

    accounts: tuple[Account, ...]
    conflicts: int

    @property
    def balanced(self) -> bool:
        """Whether every account is."""
        return all(account.balanced for account in self.accounts)


def compare(found: Figures) -> Report:
    """The accounts of these figures."""
    topics = [one for name, topic in found.topics.items() for one in _topic(name, topic, found.archive[name])]
    strays = _account("rows that are in no file", {"files": 0, **found.strays})
    return Report((*_people(found), *_follow_ups(found), *topics, strays), found.conflicts)


def _account(title: str, entries: Mapping[str, int | str]) -> Account:
    return Account(title, tuple(Entry(*entry) for entry in entries.items()))


def _topic(name: str, topic: Topic, archived: Archived) -> list[Account]:
    """Every message of the topic is one row of the warehouse, with the same content."""
    rows = {topic.store: topic.ever, "rows in warehouse": archived.rows, "positions in warehouse": archived.positions}
    content = {topic.store: topic.content, "warehouse": archived.content}
    return [_account(name, rows), _account(f"{name}: content", content)]


def _people(found: Figures) -> list[Account]:
    """Every touchpoint received is accepted or a duplicate, and every accepted one is one person's."""
    received, views = found.topics["touchpoints"], found.views
    booked = {received.store: received.ever, "accepted + duplicates": found.folded + views.duplicates}
    accepted = {
        "anchors in engine": found.folded,
        "people in engine": found.people.engine.weight,
        "view touchpoints": views.touchpoints,
        "view profiles": found.people.warehouse.weight,
    }
    grouped = {
        "accounts in engine": found.accounts.engine.weight,
        "view touchpoints": views.grouped,
        "view accounts": found.accounts.warehouse.weight,
    }
    return [
        _account("received = accepted + duplicates", booked),
        _account("accepted touchpoints", accepted),
        *_matched("people", found.people),
        _account("touchpoints for accounts", grouped),
        *_matched("accounts", found.accounts),
        *_matched("identifiers that changed hands", found.owners),
    ]


def _matched(title: str, both: Matched) -> list[Account]:
    stores = both._asdict()
    return [
        _account(title, {store: found.lines for store, found in stores.items()}),
        _account(f"{title}: content", {store: found.content for store, found in stores.items()}),
    ]


def _follow_ups(found: Figures) -> list[Account]:
    """Every follow-up that was decided is once in the ledger and once in the warehouse, with the same status."""
    ledger, seen = found.ledger.decided, found.views.follow_ups
    keys = {"engine": found.decided, "ledger": ledger.keys, "warehouse": seen.keys}
    every = sorted({*ledger.statuses, *seen.statuses})
    both = {"ledger": ledger.statuses, "warehouse": seen.statuses}
    return [
        _account("follow-ups", {store: some.lines for store, some in keys.items()}),
        _account("follow-ups: keys", {store: some.content for store, some in keys.items()}),
        _account("ledger", {"rows": found.ledger.rows, "keys": found.ledger.different}),
        *(_account(f"follow-ups {one}", {store: some.get(one, 0) for store, some in both.items()}) for one in every),
    ]
