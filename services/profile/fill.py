"""History of a new trait or counted event for one anchor: partial values of what was not counted when it came.

A fill is the cell of the anchor's touchpoints that the definitions of today would have counted and those of their day
did not, with nothing in it but that. Cells are a monoid, so it is joined to the anchor's cell like any other.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from schemas.fast import EMPTY, Touchpoint
from services.conditions.subject import event_name
from services.profile.add import add
from services.profile.cell import Cell, join
from services.profile.definitions import Definitions

TOPIC, PEOPLE = "fills", "people"  # frames that a back-fill hands to fold and assemble
_KEYED = ("counts", "sums", "firsts", "lasts", "lows", "highs", "latest", "tallies", "sketches", "lists", "windows")


class Fill(NamedTuple):
    """What the anchor's cell lacks."""

    workspace: str
    identifier: str
    cell: Cell


class Judged(NamedTuple):
    """A person to be looked at once more by the definitions of today; `owner` is the profile id."""

    owner: str


def keys(definitions: Definitions) -> dict[str, str]:
    """Everything that cells count, by its key: the event that it is counted of."""
    events = {trait.name: trait.event for trait in definitions.traits}
    return {
        **{one.key: events[one.name] for one in definitions.computed},
        **{f"count of {event}": event for event in sorted(definitions.events)},
        **{f"times of {event} within {within}": event for event, within in sorted(definitions.windows.items())},
        **{f"last {event}": event for event in sorted(definitions.ends)},
    }


def partial(touchpoint: Touchpoint, definitions: Definitions, wanted: Iterable[str]) -> Cell:
    """The cell of one touchpoint, of these keys only."""
    wanted, event = frozenset(wanted), event_name(touchpoint)
    whole = add(Cell(), msgspec.structs.replace(touchpoint, traits=EMPTY), definitions)  # type: ignore[type-var]
    kept: dict[str, Any] = {
        part: {key: value for key, value in getattr(whole, part).items() if key in wanted} for part in _KEYED
    }
    named = {"events": f"count of {event}", "recent": f"last {event}"}
    named["moments"] = f"times of {event} within {definitions.windows.get(event)}"
    kept |= {part: getattr(whole, part) for part, key in named.items() if key in wanted}
    return Cell(**kept)


def filled(cell: Cell, fill: Cell) -> Cell:
    """The cell with the fill. Times of events that it has already, kept for a shorter time, are not taken twice."""
    new = join(cell, fill)
    new.moments = {event: (within, tuple(sorted(set(times)))) for event, (within, times) in new.moments.items()}
    return new
