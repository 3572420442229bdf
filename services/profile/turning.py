"""When the answers of audiences may change though nothing is done: the instants at which somebody has to be looked at.

A clock is one such reason: of an event within a time, of a trait within a time, of a sequence, of the days since.
Between two of its instants no answer changes, so nobody is ever looked at in vain or too late.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from math import ceil, floor
from typing import TYPE_CHECKING, Any, NamedTuple

from services.conditions.tree import Node, OfEvent, OfSequence, OfTrait, nodes
from services.profile.cell import Cell
from services.profile.windows import after

if TYPE_CHECKING:
    from services.profile.definitions import Computed

DAY = 86_400_000
LATEST = 253_402_300_799_999  # the end of the year 9999, as in schemas.wire.Millis


class Turn(NamedTuple):
    """An instant (epoch ms) and the touchpoint (timestamp, message id) whose time it is, which `part` of a cell keeps
    under `name`."""

    due: int
    timestamp: int
    message_id: str
    part: str
    name: str


Clock = Callable[[Cell, int], Iterator[Turn]]
"""The turns that a cell leads to, given what time it is: at least the first one after it, if there is any."""


def next_turn(cell: Cell, clocks: Iterable[Clock], now: int) -> Turn | None:
    """The first turn after `now`."""
    found = [turn for clock in clocks for turn in clock(cell, now) if now < turn.due <= LATEST]
    return min(found) if found else None


def is_in(turn: Turn, cell: Cell) -> bool:
    """Whether the touchpoint whose time it is is one of this cell's."""
    kept: Any = getattr(cell, turn.part).get(turn.name)
    moment = turn[1:3]
    if kept is None:
        return False
    return any(entry[:2] == moment for entry in kept[1]) if turn.part in ("windows", "moments") else kept == moment


def clocks(trees: Iterable[Node], computed: Mapping[str, "Computed"]) -> tuple[Clock, ...]:
    """The clocks of these conditions, each once."""
    found: dict[Any, Clock] = {}
    for tree in trees:
        for leaf in nodes(tree):
            found |= _of(leaf, computed)
    return tuple(found.values())


def _of(leaf: Node, computed: Mapping[str, "Computed"]) -> dict[Any, Clock]:
    if isinstance(leaf, OfEvent) and leaf.within is not None:
        return {(leaf.event, leaf.within, leaf.at_least): _event(leaf.event, leaf.within, leaf.at_least)}
    if isinstance(leaf, OfSequence):
        return {(leaf.did, leaf.then_not, leaf.within): _sequence(leaf.did, leaf.then_not, leaf.within)}
    if isinstance(leaf, OfTrait):
        trait = computed.get(leaf.trait) or computed.get(leaf.trait.partition(".")[0])
        if trait is not None and trait.within is not None:
            return {trait.key: _window(trait.key, trait.within)}
        if trait is not None and trait.kind == "days_since":
            return {(trait.key, days): _days(trait.key, days) for days in _thresholds(*leaf.comparison)}
    return {}


def _event(event: str, within: int, at_least: int) -> Clock:
    """There are enough of them until the last of the newest `at_least` is too old."""

    def turns(cell: Cell, now: int) -> Iterator[Turn]:
        moments = cell.moments.get(event, (0, ()))[1]
        if len(moments) >= at_least:
            timestamp, message_id = moments[-at_least]
            yield Turn(timestamp + within, timestamp, message_id, "moments", event)

    return turns


def _window(key: str, within: int) -> Clock:
    """The value may be another one whenever an entry gets too old."""

    def turns(cell: Cell, now: int) -> Iterator[Turn]:
        entries = cell.windows.get(key, (0, ()))[1]
        index = after(entries, now - within)
        if index < len(entries):
            timestamp, message_id, _ = entries[index]
            yield Turn(timestamp + within, timestamp, message_id, "windows", key)

    return turns


def _sequence(did: str, then_not: str, within: int) -> Clock:
    """It holds from when the time is over."""

    def turns(cell: Cell, now: int) -> Iterator[Turn]:
        began, ended = cell.recent.get(did), cell.recent.get(then_not)
        if began is not None and (ended is None or ended < began):
            yield Turn(began[0] + within, *began, "recent", did)

    return turns


def _days(key: str, days: int) -> Clock:
    """The days since reach what they are compared with."""

    def turns(cell: Cell, now: int) -> Iterator[Turn]:
        last = cell.latest.get(key)
        if last is not None:
            yield Turn(last[0] + days * DAY, *last, "latest", key)

    return turns


def _thresholds(operator: str, wanted: Any) -> Iterable[int]:
    """The days at whose beginning the comparison may come out differently than the day before."""
    if operator == "among":
        return [days for one in wanted for days in _thresholds("equals", one)]
    if type(wanted) not in (int, Decimal) or abs(wanted) > LATEST:
        return []
    if operator in ("gte", "lt"):
        return [ceil(wanted)]
    if operator in ("gt", "lte"):
        return [floor(wanted) + 1]
    return [ceil(wanted), floor(wanted) + 1] if operator in ("equals", "not_equals") else []
