"""One touchpoint into a cell.

Traits come from identify calls only: other calls carry the context of a device, not the word of a person. So does
`traits.consent`, which is the consent ledger (consent.py) and no trait.
"""

from collections.abc import Callable
from copy import copy
from typing import Any

import msgspec

from schemas.fast import EMPTY, Touchpoint
from services.conditions import exact
from services.conditions.subject import Facts, event_name
from services.profile import amounts, collect, consent
from services.profile.cell import (
    ACCOUNTS,
    CHANNELS,
    TRAITS,
    Cell,
    bounded,
    greatest_text,
    least_text,
    newest,
    plus_text,
)
from services.profile.collect import Moment
from services.profile.definitions import Computed, Definitions
from services.profile.windows import entered

NAME = 128  # characters of a trait's or channel's name
VALUE = 1_024  # bytes of a value as JSON

_NUMBERS = frozenset({"sum", "average", "min", "max"})
_COLLECTIONS = frozenset({"most_frequent", "distinct", "unique"})
_pieces = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def add(cell: Cell, touchpoint: Touchpoint, definitions: Definitions, teller: str = "identify") -> Cell:
    """The cell with the touchpoint folded in. Each one may be added once. What does not change is shared. `teller` is
    the type of call that tells traits: `group` where the cell is an account's."""
    at, cell = touchpoint.timestamp, copy(cell)
    cell.touchpoints += 1
    if cell.first_seen is None or at < cell.first_seen:
        cell.first_seen = at
    if cell.last_seen is None or at > cell.last_seen:
        cell.last_seen = at
    cell.channels = bounded(_one_more(cell.channels, touchpoint.channel[:NAME]), CHANNELS)
    event = event_name(touchpoint)
    if event in definitions.events:
        cell.events = _one_more(cell.events, event)
    if event in definitions.times:
        _time(cell, event, (at, touchpoint.message_id), definitions)
    if event in definitions.by_event:
        _compute(cell, touchpoint, definitions.by_event[event])
    if touchpoint.type == teller and touchpoint.traits is not EMPTY:
        _tell(cell, touchpoint)
    elif event in consent.EVENTS and touchpoint.type == "track":
        consent.happened(cell, touchpoint)
    if touchpoint.group_id:
        moment, known = (at, touchpoint.message_id), cell.accounts.get(touchpoint.group_id)
        if known is None or known < moment:
            cell.accounts = newest(cell.accounts | {touchpoint.group_id: moment}, ACCOUNTS)
    return cell


def _one_more(counts: dict[str, int], name: str) -> dict[str, int]:
    return counts | {name: counts.get(name, 0) + 1}


def _time(cell: Cell, event: str, moment: Moment, definitions: Definitions) -> None:
    """When it was, for conditions that ask."""
    within = definitions.windows.get(event)
    if within is not None:
        cell.moments = cell.moments | {event: entered(cell.moments.get(event), within, moment)}
    if event in definitions.ends:
        cell.recent = cell.recent | {event: max(cell.recent.get(event, moment), moment)}


def _tell(cell: Cell, touchpoint: Touchpoint) -> None:
    """The traits of an identify call, each the last word until a later one."""
    told, at, message_id, source = cell.traits.copy(), touchpoint.timestamp, touchpoint.message_id, touchpoint.source
    for name, raw in _look(touchpoint.traits).items():
        if name == "consent":
            consent.told(cell, touchpoint, raw)
        elif len(name) > NAME or len((text := _one_text(bytes(raw))).encode()) > VALUE:
            cell.left_out += 1
        else:
            word = (at, message_id, source, text)
            if name not in told or told[name] < word:
                told[name] = word
    cell.traits = bounded(told, TRAITS)


def _one_text(json: bytes) -> str:
    """The canonical text of a value. Most texts are it already: those without an escape or a line separator."""
    if json[:1] in (b'"', b"t", b"f", b"n") and b"\\" not in json and b"\xe2\x80" not in json:
        return json.decode()
    return exact.text(exact.sent(json))


def _look(raw: Any) -> dict[str, msgspec.Raw]:
    """Name → value as it came. What is no JSON object is not looked into; the collectors let nothing of it through."""
    try:
        return _pieces(raw)
    except (msgspec.DecodeError, RecursionError):
        return {}


def _compute(cell: Cell, touchpoint: Touchpoint, steps: tuple[Computed, ...]) -> None:
    """The computed traits that this event feeds."""
    properties = exact.properties(touchpoint.properties)
    subject, moment = Facts(properties=properties), (touchpoint.timestamp, touchpoint.message_id)
    for step in steps:
        if step.where is not None and not step.where(subject):
            continue
        text = _taken(cell, step.kind, exact.find(properties, step.property) if step.property else None)
        if text is None:
            continue
        if step.within is None:
            _PUT[step.kind](cell, step.key, moment, text)
        else:
            window = entered(cell.windows.get(step.key), step.within, (*moment, text))
            cell.windows = cell.windows | {step.key: window}


def _taken(cell: Cell, kind: str, value: Any) -> str | None:
    """What a trait of this kind takes of the value, as text (of a number its units); None when it takes nothing."""
    if kind in ("count", "days_since"):
        return ""
    if kind in _NUMBERS:
        units = amounts.units(value)
        return None if units is None else str(units)
    if value is None:
        return None
    if kind in _COLLECTIONS:
        text, most = collect.canonical(value), collect.VALUE
    else:
        text, most = exact.text(value), VALUE
    if text is not None and len(text.encode()) > most:
        cell.left_out += 1
        return None
    return text


def _count(cell: Cell, key: str, moment: Moment, text: str) -> None:
    cell.counts = _one_more(cell.counts, key)


def _sum(cell: Cell, key: str, moment: Moment, text: str) -> None:
    cell.sums = cell.sums | {key: plus_text(cell.sums.get(key, "0"), text)}


def _average(cell: Cell, key: str, moment: Moment, text: str) -> None:
    _count(cell, key, moment, text)
    _sum(cell, key, moment, text)


def _min(cell: Cell, key: str, moment: Moment, text: str) -> None:
    cell.lows = cell.lows | {key: least_text(cell.lows.get(key, text), text)}


def _max(cell: Cell, key: str, moment: Moment, text: str) -> None:
    cell.highs = cell.highs | {key: greatest_text(cell.highs.get(key, text), text)}


def _first(cell: Cell, key: str, moment: Moment, text: str) -> None:
    valued = (*moment, text)
    cell.firsts = cell.firsts | {key: min(cell.firsts.get(key, valued), valued)}


def _last(cell: Cell, key: str, moment: Moment, text: str) -> None:
    valued = (*moment, text)
    cell.lasts = cell.lasts | {key: max(cell.lasts.get(key, valued), valued)}


def _latest(cell: Cell, key: str, moment: Moment, text: str) -> None:
    cell.latest = cell.latest | {key: max(cell.latest.get(key, moment), moment)}


def _tally(cell: Cell, key: str, moment: Moment, text: str) -> None:
    cell.tallies = cell.tallies | {key: collect.tallied(cell.tallies.get(key, {}), {text: 1})}


def _sketch(cell: Cell, key: str, moment: Moment, text: str) -> None:
    cell.sketches = cell.sketches | {key: collect.with_hash(cell.sketches.get(key, ()), collect.hashed(text))}


def _list(cell: Cell, key: str, moment: Moment, text: str) -> None:
    cell.lists = cell.lists | {key: collect.listed(cell.lists.get(key, {}), {text: moment})}


# The taken value into the part of the cell that its kind is kept in.
_PUT: dict[str, Callable[[Cell, str, Moment, str], None]] = {
    "count": _count, "sum": _sum, "average": _average, "min": _min, "max": _max, "first": _first, "last": _last,
    "most_frequent": _tally, "distinct": _sketch, "unique": _list, "days_since": _latest,
}  # fmt: skip
