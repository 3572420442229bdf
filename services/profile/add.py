"""One touchpoint into a cell.

Traits and consent come from identify calls only: other calls carry the context of a device, not the word of a person.
`traits.consent` is {channel: true | false | "granted" | "denied"}; it is the consent ledger and no trait.
"""

from copy import copy
from typing import Any

import msgspec

from schemas.fast import EMPTY, Touchpoint
from services.conditions import exact
from services.conditions.subject import Facts, event_name
from services.profile import amounts
from services.profile.cell import CHANNELS, CONSENTS, TRAITS, Cell, bounded, plus_text
from services.profile.definitions import Computed, Definitions

NAME = 128  # characters of a trait's or channel's name
VALUE = 1_024  # bytes of a value as JSON

_DENIED = {True: False, False: True, "granted": False, "denied": True}
_pieces = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def add(cell: Cell, touchpoint: Touchpoint, definitions: Definitions) -> Cell:
    """The cell with the touchpoint folded in. Each one may be added once. What does not change is shared."""
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
    if event in definitions.by_event:
        _compute(cell, touchpoint, definitions.by_event[event])
    if touchpoint.type == "identify" and touchpoint.traits is not EMPTY:
        _tell(cell, touchpoint)
    return cell


def _one_more(counts: dict[str, int], name: str) -> dict[str, int]:
    return counts | {name: counts.get(name, 0) + 1}


def _tell(cell: Cell, touchpoint: Touchpoint) -> None:
    """The traits of an identify call, each the last word until a later one."""
    told, at, message_id, source = cell.traits.copy(), touchpoint.timestamp, touchpoint.message_id, touchpoint.source
    for name, raw in _look(touchpoint.traits).items():
        if name == "consent":
            _consent(cell, touchpoint, raw)
        elif len(name) > NAME or len(raw_bytes := bytes(raw)) > VALUE:
            cell.left_out += 1
        else:
            word = (at, message_id, source, raw_bytes.decode())
            if name not in told or told[name] < word:
                told[name] = word
    cell.traits = bounded(told, TRAITS)


def _look(raw: Any) -> dict[str, msgspec.Raw]:
    """Name → value as it came. What is no JSON object is not looked into; the collectors let nothing of it through."""
    try:
        return _pieces(raw)
    except (msgspec.DecodeError, RecursionError):
        return {}


def _consent(cell: Cell, touchpoint: Touchpoint, raw: Any) -> None:
    said, consent = exact.value(raw), cell.consent.copy()
    for channel, answer in said.items() if isinstance(said, dict) else ():
        if type(answer) not in (bool, str) or answer not in _DENIED or len(channel) > NAME:
            cell.left_out += 1
            continue
        word = (touchpoint.timestamp, touchpoint.message_id, _DENIED[answer])
        if channel not in consent or consent[channel] < word:
            consent[channel] = word
    cell.consent = bounded(consent, CONSENTS)


def _compute(cell: Cell, touchpoint: Touchpoint, steps: tuple[Computed, ...]) -> None:
    """The computed traits that this event feeds."""
    properties = exact.properties(touchpoint.properties)
    subject = Facts(properties=properties)
    for step in steps:
        if step.where is not None and not step.where(subject):
            continue
        if step.kind == "count":
            cell.counts = _one_more(cell.counts, step.key)
        else:
            _take(cell, touchpoint, step, exact.find(properties, step.property))


def _take(cell: Cell, touchpoint: Touchpoint, step: Computed, value: Any) -> None:
    """The value of a property into a sum, a first or a last."""
    key = step.key
    if step.kind == "sum":
        units = amounts.units(value)
        if units is not None:
            cell.sums = cell.sums | {key: plus_text(cell.sums.get(key, "0"), str(units))}
        return
    if value is None:
        return
    text = _encode(value)
    if len(text) > VALUE:
        cell.left_out += 1
        return
    valued = (touchpoint.timestamp, touchpoint.message_id, text.decode())
    if step.kind == "first":
        cell.firsts = cell.firsts | {key: min(cell.firsts.get(key, valued), valued)}
    else:
        cell.lasts = cell.lasts | {key: max(cell.lasts.get(key, valued), valued)}
