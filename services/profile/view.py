"""A cell as conditions and documents look at it.

Most touchpoints change nothing of what they see but how many there were and when, so views are kept from frame to
frame and go on with the newer cell. That is a memory of a pure function: whether it is there changes no byte.
"""

from functools import lru_cache
from typing import Any

import msgspec

from schemas.fast import EMPTY
from services.conditions import exact
from services.profile import amounts
from services.profile.cell import Cell
from services.profile.definitions import Computed, Definitions

_encode = msgspec.json.Encoder().encode


class View:
    """What conditions ask of a person, with the audiences that it makes one belong to.

    Nobody without a touchpoint is in any audience.
    """

    __slots__ = ("_definitions", "_texts", "audiences", "cell")

    def __init__(self, cell: Cell, definitions: Definitions):
        self.cell, self._definitions = cell, definitions
        self.audiences = definitions.satisfied(self) if cell.touchpoints else ()
        self._texts: tuple[Any, Any, Any, Any] | None = None

    def goes_on(self, cell: Cell) -> bool:
        """Take this cell instead, if neither audiences nor texts can be others for it; else say no."""
        same = _seen(cell) == _seen(self.cell)
        if same:
            self.cell = cell
        return same

    @property
    def texts(self) -> tuple[Any, Any, Any, Any]:
        """A profile's `traits`, `computed`, `consent` and `events`."""
        if self._texts is None:
            cell, definitions = self.cell, self._definitions
            self._texts = (_traits(cell), _computed(cell, definitions), _consent(cell), _events(cell, definitions))
        return self._texts

    def trait(self, name: str) -> Any:
        """A computed trait, else a told one; a dotted name looks into an object."""
        computed = self._definitions.by_name.get(name)
        if computed is not None:
            return _value(self.cell, computed)
        told = self.cell.traits.get(name)
        if told is not None:
            return exact.value(told[3])
        top, dot, path = name.partition(".")
        return exact.find({top: self.trait(top)}, name) if dot and path else None

    def account(self, name: str) -> Any:
        """A person's cell knows nothing of accounts."""
        return None

    def count(self, event: str, within: int | None = None) -> int:
        """How often; counted for the events of the definitions only."""
        return self.cell.events.get(event, 0) if within is None else 0

    def left(self, did: str, then_not: str, within: int) -> bool:
        """Not kept yet."""
        return False

    def audience(self, name: str) -> bool:
        """Whether the cell makes the person belong to it."""
        return name in self.audiences

    def consent(self, channel: str, purpose: str = "") -> str:
        """The last word."""
        said = self.cell.consent.get(channel)
        return "unknown" if said is None else "denied" if said[2] else "granted"

    def property(self, name: str) -> Any:
        """A person has no properties."""
        return None


class Views:
    """The views of the persons seen last, at most twice `size`, by profile id."""

    def __init__(self, definitions: Definitions, size: int):
        self._definitions, self._size = definitions, size
        self._young: dict[str, View] = {}
        self._old: dict[str, View] = {}

    def of(self, profile_id: str, cell: Cell) -> View:
        """The view of this cell, which is the person's now."""
        view = self._young.get(profile_id) or self._old.get(profile_id)
        if view is None or not view.goes_on(cell):
            view = View(cell, self._definitions)
        self._young[profile_id] = view
        if len(self._young) >= self._size:
            self._old, self._young = self._young, {}
        return view


def _seen(cell: Cell) -> tuple[Any, ...]:
    """All that a view looks at. Cells share the maps that do not differ, so comparing two of these is quick."""
    return (
        cell.counts, cell.sums, cell.firsts, cell.lasts, cell.events, cell.traits, cell.consent, cell.touchpoints > 0,
    )  # fmt: skip


def _value(cell: Cell, computed: Computed) -> Any:
    """A computed trait as an exact JSON value; None when nothing was there. Counts and sums begin at 0."""
    if computed.kind == "count":
        return cell.counts.get(computed.key, 0)
    if computed.kind == "sum":
        return amounts.number(int(cell.sums.get(computed.key, "0")))
    valued = (cell.firsts if computed.kind == "first" else cell.lasts).get(computed.key)
    return None if valued is None else exact.value(valued[2])


def _text(cell: Cell, computed: Computed) -> str | None:
    """The same as JSON text."""
    if computed.kind == "count":
        return str(cell.counts.get(computed.key, 0))
    if computed.kind == "sum":
        return amounts.text(int(cell.sums.get(computed.key, "0")))
    valued = (cell.firsts if computed.kind == "first" else cell.lasts).get(computed.key)
    return None if valued is None else valued[2]


def _object(parts: list[str]) -> Any:
    """A JSON object of `"name":value` texts; put together by hand, because the values are JSON already."""
    return msgspec.Raw(f"{{{','.join(parts)}}}".encode()) if parts else EMPTY


@lru_cache(maxsize=4_096)
def _quoted(text: str) -> str:
    return _encode(text).decode()


def _traits(cell: Cell) -> Any:
    """A trait that was set to null is no longer there."""
    return _object(
        [
            f'{_quoted(name)}:{{"value":{value},"at":{at},"source":{_quoted(source)}}}'
            for name, (at, _, source, value) in sorted(cell.traits.items())
            if value != "null"
        ]
    )


def _computed(cell: Cell, definitions: Definitions) -> Any:
    texts = [(computed.name, _text(cell, computed)) for computed in definitions.computed]
    return _object([f'"{name}":{text}' for name, text in texts if text is not None])


def _consent(cell: Cell) -> Any:
    said = sorted(cell.consent.items())
    return _object([f'{_quoted(name)}:"{"denied" if denied else "granted"}"' for name, (_, _, denied) in said])


def _events(cell: Cell, definitions: Definitions) -> Any:
    counted = sorted(cell.events.items())
    return _object([f"{_quoted(event)}:{n}" for event, n in counted if event in definitions.events])
