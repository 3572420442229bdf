"""Caps: how much was sent to a person, by the ledger's rows of all identifiers that are the person's now."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from services.automation.definitions import Rule
from services.automation.fields import Cap
from services.automation.sending import Sending
from services.conditions import durations

_SENT = """
SELECT key, kind, rule, status, at FROM sends
WHERE anchor IN (SELECT value FROM json_each(?)) AND workspace = ? AND at > ?
  AND status IN ('sent', 'attempting', 'uncertain')
"""


class Limit(NamedTuple):
    """At most `most` within `per` ms: of one `kind`, or as often as one `rule` acts, other times than `cause`."""

    most: int
    per: int
    kind: str = ""
    rule: str = ""
    cause: str = ""

    @property
    def name(self) -> str:
        """What it is called in sentences."""
        return f"the rule's cap of {self.most}" if self.rule else f"the cap of {self.most} {self.kind} messages"


class Person(NamedTuple):
    """Whose rows count."""

    workspace: str
    anchors: tuple[str, ...]


class Room(NamedTuple):
    """Whether there is room for one more: `free`, or `busy` (there may be when what is under way has ended), or not,
    because of `full`, a sentence."""

    busy: bool = False
    full: str = ""

    @property
    def free(self) -> bool:
        """Whether one more may be sent now."""
        return not self.busy and not self.full


def limits(rule: Rule, kind: str, key: str, sending: Sending) -> tuple[Limit, ...]:
    """What bounds this follow-up of this rule."""
    everybody: Cap | None = getattr(sending.caps, kind, None)
    found = [Limit(everybody.most, everybody.per, kind=kind)] if everybody else []
    if rule.cap:
        found.append(Limit(rule.cap.most, rule.cap.per, rule=rule.name, cause=cause_of(key)))
    return tuple(found)


def cause_of(key: str) -> str:
    """The part of a send key that all steps of a rule have in common: audience and message."""
    return key.split("/", 3)[-1]


def room(db: sqlite3.Connection, person: Person, bounds: Sequence[Limit], now: int) -> Room:
    """Whether one more may be sent to this person now (epoch ms). What is `uncertain` may have arrived, and counts."""
    found = Room()
    for limit in bounds:
        rows = db.execute(_SENT, (json.dumps(person.anchors), person.workspace, now - limit.per)).fetchall()
        counted = dict(sorted(_counted(rows, limit)))  # the latest of each
        ended = sorted(at for at, status in counted.values() if status != "attempting")
        if len(ended) >= limit.most:
            again = ended[len(ended) - limit.most] + limit.per
            when = datetime.fromtimestamp(again / 1000, UTC)
            said = f"{limit.name} in {durations.written(limit.per)}"
            return Room(full=f"{said} is reached; free again {when:%Y-%m-%d %H:%M:%SZ}")
        if len(counted) >= limit.most:
            found = Room(busy=True)
    return found


def _counted(rows: Sequence[tuple[str, str, str, str, int]], limit: Limit) -> Iterator[tuple[str, tuple[int, str]]]:
    """(what is counted once, (when, status)) of the rows that the limit is about."""
    for key, kind, rule, status, at in rows:
        if limit.rule and rule == limit.rule and (cause := cause_of(key)) != limit.cause:
            yield cause, (at, status)
        elif limit.kind and kind == limit.kind:
            yield key, (at, status)
