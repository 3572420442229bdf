"""A person: the newest cell of every anchor they own, and the profile that is the join of them."""

from functools import lru_cache
from typing import Any

import msgspec

from schemas.fast import EMPTY, Profile
from schemas.identifiers import profile_id
from services.conditions import exact
from services.processor import GENERATION
from services.profile import amounts
from services.profile.cell import Cell, join
from services.profile.definitions import Computed, Definitions


class Held(msgspec.Struct, array_like=True, gc=False):
    """What is known of one anchor: the newest (version, n) and its cell; without one it is gone, to `gone`.

    `named` is the identifier that names the owner, where the anchor knows it; `came` the owner it came from.
    """

    version: int
    n: int
    cell: Cell | None
    named: str = ""
    came: str = ""
    gone: str = ""


class Person(msgspec.Struct, tag="person", gc=False):
    """Everything under one profile id. `count` numbers the documents that were published, `inside` are the audiences
    entered so far, as told; `judged` is the fingerprint of the audiences that were in force then."""

    workspace: str
    profile_id: str
    anchors: dict[str, Held] = {}
    count: int = 0
    inside: tuple[str, ...] = ()
    judged: str = ""


_encode = msgspec.json.Encoder().encode


class View:
    """A cell as conditions look at it, with the audiences that it makes one belong to.

    Nobody without a touchpoint is in any audience.
    """

    __slots__ = ("_definitions", "audiences", "cell")

    def __init__(self, cell: Cell, definitions: Definitions):
        self.cell, self._definitions = cell, definitions
        self.audiences = definitions.satisfied(self) if cell.touchpoints else ()

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

    def count(self, event: str) -> int:
        """How often; counted for the events of the definitions only."""
        return self.cell.events.get(event, 0)

    def consent(self, channel: str) -> str:
        """The last word."""
        said = self.cell.consent.get(channel)
        return "unknown" if said is None else "denied" if said[2] else "granted"

    def property(self, name: str) -> Any:
        """A person has no properties."""
        return None


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


def joined(person: Person, came: str = "") -> Cell:
    """The join of all cells of the person, or of those that came from one former owner."""
    cells = [h.cell for h in person.anchors.values() if h.cell is not None and (not came or h.came == came)]
    found = cells[0] if cells else Cell()
    for cell in cells[1:]:
        found = join(found, cell)
    return found


def identifiers(person: Person) -> tuple[str, ...]:
    """Everything that names the person, sorted. Identifiers that were refused own themselves and are not here."""
    live = [(identifier, held) for identifier, held in person.anchors.items() if held.cell is not None]
    found = {identifier for identifier, _ in live}
    found.update(held.named for _, held in live if held.named)
    return tuple(sorted(found))


def names(person: Person, identifier: str) -> bool:
    """Whether this identifier is the one the profile id is made of. When it goes, the person has gone with it."""
    return profile_id(person.workspace, identifier) == person.profile_id


def redirect(person: Person) -> str | None:
    """The profile this id stands for now: the present owner of the identifier it is made of."""
    for identifier, held in person.anchors.items():
        if held.gone and names(person, identifier):
            return held.gone
    return None


def document(person: Person, definitions: Definitions, generation: int = 0, view: View | None = None) -> Profile:
    """The published profile. Everything but `version` is a function of the touchpoints. A person without any is
    deleted, and says where to go if the id has been redirected. `view` saves the work where there is one already."""
    view = View(joined(person), definitions) if view is None else view
    cell, version = view.cell, generation * GENERATION + person.count
    if not cell.touchpoints:
        return Profile(
            workspace=person.workspace, profile_id=person.profile_id, version=version, deleted=True,
            redirect=redirect(person), traits=EMPTY, computed=EMPTY, consent=EMPTY,
        )  # fmt: skip
    return Profile(
        workspace=person.workspace,
        profile_id=person.profile_id,
        version=version,
        identifiers=identifiers(person),
        traits=_traits(cell),
        computed=_computed(cell, definitions),
        audiences=view.audiences,
        consent=_consent(cell),
        events=_events(cell, definitions),
        touchpoints=cell.touchpoints,
        first_seen=cell.first_seen,
        last_seen=cell.last_seen,
    )


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
