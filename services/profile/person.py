"""A person: the newest cell of every anchor they own, and the profile that is the join of them."""

import msgspec

from schemas.fast import EMPTY, Profile
from schemas.identifiers import profile_id
from services.processor import GENERATION
from services.profile.cell import Cell, join
from services.profile.definitions import Definitions
from services.profile.together import Pending
from services.profile.view import View


class Held(msgspec.Struct, array_like=True, gc=False):
    """What is known of one anchor: the newest (version, n) and its cell; without one it is gone, to `gone`.

    `named` is the identifier that names the owner, where the anchor knows it; `came` the owner it came from. `told` is
    the number of the last touchpoint of which the rules have heard, here or from a former owner.
    """

    version: int
    n: int
    cell: Cell | None
    named: str = ""
    came: str = ""
    gone: str = ""
    told: int = 2**62


class Person(msgspec.Struct, tag="person", omit_defaults=True, gc=False):
    """Everything under one profile id. `count` numbers the documents that there have been, `inside` are the audiences
    entered so far, as told; `judged` is the fingerprint of the definitions that were in force then.

    Where audiences depend on time: `at` is the instant of the last judgement (epoch ms), `due` the wake-up that is set
    (0: none), and what falls due up to `past` was known too late to act on.

    `waiting` are messages that do not count yet (together.py).
    """

    workspace: str
    profile_id: str
    anchors: dict[str, Held] = {}
    count: int = 0
    inside: tuple[str, ...] = ()
    judged: str = ""
    at: int = 0
    due: int = 0
    past: int = 0
    waiting: list[Pending] = []


def joined(person: Person, came: str = "") -> Cell:
    """The join of all cells of the person, or of those that came from one former owner."""
    held = [h for h in person.anchors.values() if not came or h.came == came]
    cells = [h.cell for h in held if h.cell is not None and h.cell.touchpoints]
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


def somebody(person: Person) -> bool:
    """Whether there is anything to publish: a touchpoint, or where the id redirects to."""
    cells = (held.cell for held in person.anchors.values())
    return any(cell is not None and cell.touchpoints for cell in cells) or redirect(person) is not None


def document(
    person: Person, definitions: Definitions, generation: int = 0, view: View | None = None, now: int | None = None
) -> Profile:
    """The published profile, with the audiences of the last judgement. Everything but `version` is a function of the
    touchpoints and of that instant. A person without any is deleted, and says where to go if the id has been
    redirected. `view` saves the work where there is one already. With `now` (epoch ms) it is what a reader sees at that
    time: also `computed` traits and `events` within times, and the audiences of then."""
    if view is None or now not in (None, view.now):
        view = View(joined(person), definitions, person.at if now is None else now)
    cell, version = view.cell, generation * GENERATION + person.count
    if not cell.touchpoints:
        return Profile(
            workspace=person.workspace, profile_id=person.profile_id, version=version, deleted=True,
            redirect=redirect(person), traits=EMPTY, computed=EMPTY, consent=EMPTY,
        )  # fmt: skip
    traits, computed, consent, events = view.texts
    if now is not None and not definitions.timeless:
        computed, events = view.moving()
    return Profile(
        workspace=person.workspace,
        profile_id=person.profile_id,
        version=version,
        identifiers=identifiers(person),
        traits=traits,
        computed=computed,
        audiences=view.audiences,
        accounts=tuple(name for _, name in sorted(((at, name) for name, at in cell.accounts.items()), reverse=True)),
        consent=consent,
        events=events,
        touchpoints=cell.touchpoints,
        first_seen=cell.first_seen,
        last_seen=cell.last_seen,
    )
