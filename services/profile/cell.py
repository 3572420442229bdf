"""The cell: everything a profile needs of the touchpoints of one anchor, or of several joined.

Cells are a commutative monoid: `join` of the cells of any partition of a set of touchpoints is the cell of the set,
whatever the order. So every part of it is a sum of whole numbers, a least or greatest (time, message id, …), a
collection of bounded size (collect.py), the newest moments (windows.py), a map of those by name, or the k least names
of such a map. Only what the definitions ask for is kept.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from services.profile.collect import Moment, listed, sketched, tallied
from services.profile.windows import united

Told = tuple[int, str, str, str]
"""(timestamp, message id, source, value as JSON text): the greatest is the last word, also for equal times."""

Valued = tuple[int, str, str]
"""(timestamp, message id, value as JSON text)."""

Answer = tuple[int, str, bool]
"""(timestamp, message id, denied): of a yes and a no in one breath the no counts."""


Window = tuple[int, tuple[Valued, ...]]
"""(W in ms, the newest values within W, sorted); the value is "" where only the time counts."""


class Cell(msgspec.Struct, omit_defaults=True, gc=False):
    """Partial aggregates. Times are epoch milliseconds. A cell is shared once it is made: it and its maps never change.

    `sums`, `lows` and `highs` are units of 10^-9 as decimal text, because they outgrow 64 bits. `counts` to `windows`
    are keyed by `Computed.key`; `moments` (times of events asked for within a time) and `recent` (the last time) by
    event; `consent` by "channel" or "channel/purpose"; `accounts` (the last time) by group id. `left_out` counts values
    that could not be taken.
    """

    touchpoints: int = 0
    first_seen: int | None = None
    last_seen: int | None = None
    channels: dict[str, int] = {}
    events: dict[str, int] = {}
    traits: dict[str, Told] = {}
    consent: dict[str, Answer] = {}
    counts: dict[str, int] = {}
    sums: dict[str, str] = {}
    firsts: dict[str, Valued] = {}
    lasts: dict[str, Valued] = {}
    left_out: int = 0
    lows: dict[str, str] = {}
    highs: dict[str, str] = {}
    latest: dict[str, Moment] = {}
    tallies: dict[str, dict[str, int]] = {}
    sketches: dict[str, tuple[int, ...]] = {}
    lists: dict[str, dict[str, Moment]] = {}
    windows: dict[str, Window] = {}
    moments: dict[str, tuple[int, tuple[Moment, ...]]] = {}
    recent: dict[str, Moment] = {}
    accounts: dict[str, Moment] = {}


CHANNELS = 32
TRAITS = 200
CONSENTS = 100
ACCOUNTS = 32

decode = msgspec.json.Decoder(Cell).decode


def join(one: Cell, other: Cell) -> Cell:
    """The cell of both cells' touchpoints, which must not overlap. It may share maps with them."""
    found = Cell(
        touchpoints=one.touchpoints + other.touchpoints,
        first_seen=_least(one.first_seen, other.first_seen),
        last_seen=_greatest(one.last_seen, other.last_seen),
        channels=bounded(_merged(one.channels, other.channels, _plus), CHANNELS),
        events=_merged(one.events, other.events, _plus),
        traits=bounded(_merged(one.traits, other.traits, max), TRAITS),
        consent=bounded(_merged(one.consent, other.consent, max), CONSENTS),
        counts=_merged(one.counts, other.counts, _plus),
        sums=_merged(one.sums, other.sums, plus_text),
        firsts=_merged(one.firsts, other.firsts, min),
        lasts=_merged(one.lasts, other.lasts, max),
        left_out=one.left_out + other.left_out,
    )
    if _has_rare(one) or _has_rare(other):
        _join_rare(found, one, other)
    return found


def _join_rare(found: Cell, one: Cell, other: Cell) -> None:
    """What most definitions do not ask for: most cells have none of it, and joining them costs nothing for it."""
    found.lows = _merged(one.lows, other.lows, least_text)
    found.highs = _merged(one.highs, other.highs, greatest_text)
    found.latest = _merged(one.latest, other.latest, max)
    found.tallies = _merged(one.tallies, other.tallies, tallied)
    found.sketches = _merged(one.sketches, other.sketches, sketched)
    found.lists = _merged(one.lists, other.lists, listed)
    found.windows = _merged(one.windows, other.windows, united)
    found.moments = _merged(one.moments, other.moments, united)
    found.recent = _merged(one.recent, other.recent, max)
    found.accounts = newest(_merged(one.accounts, other.accounts, max), ACCOUNTS)


def _has_rare(cell: Cell) -> bool:
    return bool(
        cell.lows or cell.highs or cell.latest or cell.tallies or cell.sketches or cell.lists or cell.windows
        or cell.moments or cell.recent or cell.accounts
    )  # fmt: skip


def bounded(values: dict[str, Any], most: int) -> dict[str, Any]:
    """The entries with the `most` least names: a subset that does not depend on the order in which names came."""
    if len(values) <= most:
        return values
    return {name: values[name] for name in sorted(values)[:most]}


def newest(values: dict[str, Moment], most: int) -> dict[str, Moment]:
    """The `most` entries with the greatest values, these first; of equal ones those with the greatest names."""
    if len(values) <= most:
        return values
    return dict(sorted(values.items(), key=lambda one: (one[1], one[0]), reverse=True)[:most])


def plus_text(one: str, other: str) -> str:
    """The sum of two whole numbers of any size, as decimal text."""
    return str(int(one) + int(other))


def least_text(one: str, other: str) -> str:
    """The lesser of two whole numbers of any size, as decimal text."""
    return str(min(int(one), int(other)))


def greatest_text(one: str, other: str) -> str:
    """The greater one."""
    return str(max(int(one), int(other)))


def _plus(one: int, other: int) -> int:
    return one + other


def _merged(one: dict[str, Any], other: dict[str, Any], both: Callable[[Any, Any], Any]) -> dict[str, Any]:
    """Neither of the two is changed; where one is empty, it is the other one itself."""
    if not one or not other:
        return one or other
    found = one.copy()
    for name, value in other.items():
        known = found.get(name)
        found[name] = value if known is None else both(known, value)
    return found


def _least(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else min(one, other)


def _greatest(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else max(one, other)
