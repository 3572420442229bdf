"""History of a new trait or counted event for one anchor or account: partial values of what was not counted when it
came.

A fill is the cell of those touchpoints that the definitions of today would have counted and those of their day did
not, with nothing in it but that. Cells are a monoid, so it is joined to the cell like any other.
"""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import msgspec

from schemas.fast import EMPTY, Touchpoint
from schemas.identifiers import ACCOUNT, identifier
from services.conditions.subject import event_name
from services.profile.add import add
from services.profile.cell import Cell, join
from services.profile.definitions import Definitions

TOPIC, JUDGED = "fills", "judged"  # frames that a back-fill hands to stages
OF_ACCOUNTS = "account "  # before the keys of what is counted of accounts
_KEYED = ("counts", "sums", "firsts", "lasts", "lows", "highs", "latest", "tallies", "sketches", "lists", "windows")


class Fill(NamedTuple):
    """What the cell of an anchor or of an account lacks; the identifier of an account is account:GROUP."""

    workspace: str
    identifier: str
    cell: Cell


class Judged(NamedTuple):
    """A person or an account to be looked at once more by the definitions of today; `owner` is the profile id."""

    owner: str


def keys(definitions: Definitions) -> dict[str, str]:
    """Everything that cells count, by its key: the event that it is counted of."""
    of_accounts = {OF_ACCOUNTS + key: event for key, event in _keys(definitions.accounts).items()}
    return _keys(definitions) | of_accounts


def _keys(definitions: Definitions) -> dict[str, str]:
    events = {trait.name: trait.event for trait in definitions.of_persons}
    return {
        **{one.key: events[one.name] for one in definitions.computed},
        **{f"count of {event}": event for event in sorted(definitions.events)},
        **{f"times of {event} within {within}": event for event, within in sorted(definitions.windows.items())},
        **{f"last {event}": event for event in sorted(definitions.ends)},
    }


def name_of(key: str) -> str:
    """The trait that is counted under this key; something that is no trait's name for other keys."""
    return key.removeprefix(OF_ACCOUNTS).partition("@")[0]


def fills(lacking: Iterable[tuple[Touchpoint, Collection[str]]], definitions: Definitions) -> dict[str, list[Fill]]:
    """What cells lack when these touchpoints are not counted under these keys: by the stage that has the cells."""
    anchors: dict[tuple[str, str], Cell] = {}
    accounts: dict[tuple[str, str], Cell] = {}
    for touchpoint, wanted in lacking:
        of_account = {key.removeprefix(OF_ACCOUNTS) for key in wanted if key.startswith(OF_ACCOUNTS)}
        of_person = {key for key in wanted if not key.startswith(OF_ACCOUNTS)}
        if of_person:
            _join(anchors, (touchpoint.workspace, touchpoint.anchor), partial(touchpoint, definitions, of_person))
        if of_account and touchpoint.group_id:
            place = (touchpoint.workspace, identifier(ACCOUNT, touchpoint.group_id))
            _join(accounts, place, partial(touchpoint, definitions.accounts, of_account))
    found = {"fold": anchors, "accounts": accounts}
    return {stage: [Fill(*place, cell) for place, cell in cells.items()] for stage, cells in found.items()}


def _join(cells: dict[tuple[str, str], Cell], place: tuple[str, str], cell: Cell) -> None:
    cells[place] = join(cells[place], cell) if place in cells else cell


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
