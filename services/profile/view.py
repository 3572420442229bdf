"""A cell as conditions and documents look at it.

Most touchpoints change nothing of what they see but how many there were and when, so views are kept from frame to
frame and go on with the newer cell. That is a memory of a pure function: whether it is there changes no byte.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from schemas.fast import EMPTY
from services.conditions import exact
from services.conditions.subject import left_key, within_key
from services.profile import computed, consent
from services.profile.cell import Cell
from services.profile.definitions import Computed, Definitions
from services.profile.turning import next_turn
from services.profile.windows import after

_encode = msgspec.json.Encoder().encode


class View:
    """What conditions ask of a person at an instant (epoch ms), with the audiences that it makes one belong to.

    Nobody without a touchpoint is in any audience. `turn` is the next instant at which they may be others.
    """

    __slots__ = ("_definitions", "_inside", "_texts", "audiences", "cell", "now", "turn")

    def __init__(self, cell: Cell, definitions: Definitions, now: int):
        self.cell, self._definitions, self.now = cell, definitions, now
        self._inside: set[str] = set()
        self.audiences = definitions.satisfied(self, self._inside) if cell.touchpoints else ()
        self.turn = next_turn(cell, definitions.clocks, now) if definitions.clocks else None
        self._texts: tuple[Any, Any, Any, Any] | None = None

    def goes_on(self, cell: Cell, now: int) -> bool:
        """Take this cell and instant instead, if neither audiences nor texts can be others for them; else say no."""
        turn = self.turn
        same = _seen(cell) == _seen(self.cell) and (turn is None or self.now <= now < turn.due)
        if same:
            self.cell, self.now = cell, now
        return same

    @property
    def texts(self) -> tuple[Any, Any, Any, Any]:
        """A profile's `traits`, `computed`, `consent` and `events`, without what depends on the instant."""
        if self._texts is None:
            cell, definitions = self.cell, self._definitions
            computed = _computed(self, definitions.still)
            self._texts = (_traits(cell, definitions), computed, _consent(cell), _counts(_events(cell, definitions)))
        return self._texts

    def moving(self) -> tuple[Any, Any]:
        """`computed` and `events` with what depends on the instant."""
        cell, definitions = self.cell, self._definitions
        events = _events(cell, definitions) | _timed(self, definitions)
        return _computed(self, definitions.computed), _counts(events)

    def trait(self, name: str) -> Any:
        """A computed trait, else a told one; a dotted name looks into an object."""
        found = self._definitions.by_name.get(name)
        if found is not None:
            return computed.value(self.cell, found, self.now)
        told = self.cell.traits.get(name)
        if told is not None and told[3] != "null":
            return exact.value(told[3])
        top, dot, _ = name.partition(".")
        return exact.find({top: self.trait(top)}, name) if dot else None

    def account(self, name: str) -> Any:
        """A person's cell knows nothing of accounts."""
        return None

    def count(self, event: str, within: int | None = None) -> int:
        """How often; counted for the events of the definitions only."""
        if within is None:
            return self.cell.events.get(event, 0)
        moments = self.cell.moments.get(event, (0, ()))[1]
        return len(moments) - after(moments, self.now - within)

    def left(self, did: str, then_not: str, within: int) -> bool:
        """Whether the last time was `within` or more ago, and the other thing not since then."""
        began, ended = self.cell.recent.get(did), self.cell.recent.get(then_not)
        return began is not None and began[0] + within <= self.now and (ended is None or ended < began)

    def audience(self, name: str) -> bool:
        """Whether the person belongs to it. An audience that asks comes after it in the definitions."""
        return name in self._inside

    def consent(self, channel: str, purpose: str = "") -> str:
        """The last word."""
        consents = self.cell.consent
        own = consent.answer(consents, f"{channel}/{purpose}") if purpose else None
        return own or consent.answer(consents, channel) or "unknown"

    def property(self, name: str) -> Any:
        """A person has no properties."""
        return None


class Views:
    """The views of the persons seen last, at most twice `size`, by profile id."""

    def __init__(self, definitions: Definitions, size: int):
        self._definitions, self._size = definitions, size
        self._young: dict[str, View] = {}
        self._old: dict[str, View] = {}

    def of(self, profile_id: str, cell: Cell, now: int) -> View:
        """The view of this cell, which is the person's now."""
        view = self._young.get(profile_id) or self._old.get(profile_id)
        if view is None or not view.goes_on(cell, now):
            view = View(cell, self._definitions, now)
        self._young[profile_id] = view
        if len(self._young) >= self._size:
            self._old, self._young = self._young, {}
        return view


def _seen(cell: Cell) -> tuple[Any, ...]:
    """All that a view looks at. Cells share the maps that do not differ, so comparing two of these is quick."""
    return (
        cell.counts, cell.sums, cell.firsts, cell.lasts, cell.events, cell.traits, cell.consent, cell.touchpoints > 0,
        cell.lows, cell.highs, cell.latest, cell.tallies, cell.sketches, cell.lists, cell.windows, cell.moments,
        cell.recent,
    )  # fmt: skip


def _object(parts: list[str]) -> Any:
    """A JSON object of `"name":value` texts; put together by hand, because the values are JSON already."""
    return msgspec.Raw(f"{{{','.join(parts)}}}".encode()) if parts else EMPTY


@lru_cache(maxsize=4_096)
def _quoted(text: str) -> str:
    return _encode(text).decode()


def _traits(cell: Cell, definitions: Definitions) -> Any:
    """A trait that was set to null is no longer there, and one that is computed is never one that was told: not even
    where nothing was computed for this person."""
    return _object(
        [
            f'{_quoted(name)}:{{"value":{value},"at":{at},"source":{_quoted(source)}}}'
            for name, (at, _, source, value) in sorted(cell.traits.items())
            if value != "null" and name not in definitions.by_name
        ]
    )


def _computed(view: View, some: Iterable[Computed]) -> Any:
    texts = [(one.name, computed.text(view.cell, one, view.now)) for one in some]
    return _object([f'"{name}":{text}' for name, text in texts if text is not None])


def _consent(cell: Cell) -> Any:
    return _object([f'{_quoted(key)}:"{consent.answer(cell.consent, key)}"' for key in sorted(cell.consent)])


def _events(cell: Cell, definitions: Definitions) -> dict[str, int]:
    return {event: n for event, n in sorted(cell.events.items()) if event in definitions.events}


def _timed(view: View, definitions: Definitions) -> dict[str, int]:
    """What conditions ask within times, under the names that `Facts` looks for; what is 0 is left out."""
    asked = definitions.asked
    found = {within_key(*one): view.count(*one) for one in sorted(asked.within)}
    found |= {left_key(*one): int(view.left(*one)) for one in sorted(asked.sequences)}
    return {name: n for name, n in found.items() if n}


def _counts(counts: dict[str, int]) -> Any:
    return _object([f"{_quoted(event)}:{n}" for event, n in counts.items()])
