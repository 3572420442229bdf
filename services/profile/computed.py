"""The value of a computed trait, from a cell, at some time. Exact, and the same however the cell came to be."""

from collections.abc import Iterable
from typing import Any

from services.conditions import exact
from services.profile import amounts, collect
from services.profile.cell import Cell, Valued
from services.profile.definitions import Computed
from services.profile.turning import DAY
from services.profile.windows import since


def value(cell: Cell, computed: Computed, now: int) -> Any:
    """As an exact JSON value; None when there is none. Counts and sums begin at 0."""
    if computed.kind == "count" and computed.within is None:
        return cell.counts.get(computed.key, 0)
    if computed.kind == "sum" and computed.within is None:
        return amounts.number(int(cell.sums.get(computed.key, "0")))
    found = text(cell, computed, now)
    return None if found is None else exact.value(found)


def text(cell: Cell, computed: Computed, now: int) -> str | None:
    """The same as JSON text."""
    kind, key = computed.kind, computed.key
    if computed.within is not None:
        entries: Any = since(cell.windows.get(key, (0, ()))[1], now - computed.within)
        return _of_entries(entries, kind)
    if kind == "count":
        return str(cell.counts.get(key, 0))
    if kind == "sum":
        return amounts.text(int(cell.sums.get(key, "0")))
    if kind in ("first", "last"):
        valued = (cell.firsts if kind == "first" else cell.lasts).get(key)
        return None if valued is None else valued[2]
    return _of_rare(cell, kind, key, now)


def _of_rare(cell: Cell, kind: str, key: str, now: int) -> str | None:
    if kind == "average":
        return _average(int(cell.sums.get(key, "0")), cell.counts.get(key, 0))
    if kind in ("min", "max"):
        units = (cell.lows if kind == "min" else cell.highs).get(key)
        return None if units is None else amounts.text(int(units))
    if kind == "days_since":
        latest = cell.latest.get(key)
        return None if latest is None else str(max(0, now - latest[0]) // DAY)
    if kind == "distinct":
        return str(collect.distinct(cell.sketches.get(key, ())))
    if kind == "most_frequent":
        return collect.most_frequent(cell.tallies.get(key, {}))
    return _list(collect.in_order(cell.lists.get(key, {})))


def _of_entries(entries: tuple[Valued, ...], kind: str) -> str | None:
    """The same of the values of a window alone, without samples."""
    if kind == "count":
        return str(len(entries))
    if kind in ("first", "last"):
        return entries[0 if kind == "first" else -1][2] if entries else None
    if kind in ("sum", "average", "min", "max"):
        return _of_numbers([int(units) for _, _, units in entries], kind)
    tally: dict[str, int] = {}
    earliest: dict[str, collect.Moment] = {}
    for timestamp, message_id, one in entries:
        tally[one] = tally.get(one, 0) + 1
        earliest.setdefault(one, (timestamp, message_id))
    if kind == "distinct":
        return str(len(tally))
    return collect.most_frequent(tally) if kind == "most_frequent" else _list(collect.in_order(earliest))


def _of_numbers(units: list[int], kind: str) -> str | None:
    if kind == "average":
        return _average(sum(units), len(units))
    if kind == "sum":
        return amounts.text(sum(units))
    if not units:
        return None
    return amounts.text(min(units) if kind == "min" else max(units))


def _average(units: int, n: int) -> str | None:
    """Cut off toward zero at nine places."""
    if not n:
        return None
    return amounts.text(units // n if units >= 0 else -(-units // n))


def _list(texts: Iterable[str]) -> str | None:
    found = ",".join(texts)
    return f"[{found}]" if found else None
