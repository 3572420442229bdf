"""The assemble stage: one writer per person. Cells become profiles; entering and exiting audiences is told.

Who entered or exited is decided message by message, so how frames are cut changes nothing:

- A touchpoint's cell: what differs from what was told is because of this touchpoint. It is the cause of every entry.
- A cell that came from another owner: its former person was in those audiences that all cells from there satisfy by
  themselves; these are told as `merged` (`split` where an identifier comes back to the profile it names) and start
  nothing. An entry that neither side had alone is left to the next touchpoint's cell: when a log-in joins two
  histories that follows at once, because the fold hands the log-in on after all moves.
- A cell that is gone: with the identifier that names the profile the person is absorbed, and all audiences end as
  `merged`; with another one it is a `split`.

When the definitions changed since the person was last judged, the person is judged silently first: an edit of a file
makes nobody enter.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from schemas.fast import AudienceChange, Cause, CellMessage, Profile, Touchpoint
from services.conditions.subject import event_name
from services.processor import Emit, Frame, Outcome
from services.profile.cell import Cell, decode
from services.profile.definitions import Definitions
from services.profile.person import Held, Person, document, joined, names, redirect
from services.profile.view import View, Views

VIEWS = 20_000  # persons whose views are kept at least; each takes about 1 KB
Reason = Literal["touchpoint", "merged", "split"]
Change = Literal["entered", "exited"]


class Assemble:
    """The processor. `triggers` are the events and `watched` the audiences that some rule listens to: only they become
    causes (None: all of them). `generation` grows with every rebuild, and the versions of profiles with it."""

    name = "assemble"
    inputs = ("cells",)
    record: Any = Person

    def __init__(
        self,
        definitions: Definitions,
        generation: int = 0,
        triggers: Iterable[str] | None = None,
        watched: Iterable[str] | None = None,
    ):
        self.definitions, self.generation = definitions, generation
        self.views = Views(definitions, VIEWS)
        self.triggers = None if triggers is None else frozenset(triggers)
        self.watched = frozenset(dict(definitions.who) if watched is None else watched)

    def wants(self, frame: Frame, have: Mapping[str, Any]) -> Iterable[str]:
        """The persons that the cells are for."""
        return [message.owner for message in frame.messages]

    def decide(self, frame: Frame, records: Mapping[str, Any]) -> Outcome:
        """One profile per person that changed, and every audience change and cause on the way."""
        turn = _Turn(self, frame.now, records)
        for message in frame.messages:
            turn.take(message)
        turn.publish()
        return Outcome(turn.changes, turn.emits, [])


class _Turn:
    """One frame being decided."""

    def __init__(self, stage: Assemble, now: int, records: Mapping[str, Any]):
        self._stage, self._definitions, self._now, self._records = stage, stage.definitions, now, records
        self.changes: dict[str, msgspec.Struct | None] = {}
        self.emits: list[Emit] = []
        self._views: dict[str, View] = {}  # of persons as they are now, worked out once
        self._profiles: dict[str, Profile] = {}  # and their documents

    def take(self, message: CellMessage) -> None:
        """Keep the newest of each anchor; older news and repetitions change nothing and cause nothing."""
        person = self._person(message)
        held = person.anchors.get(message.anchor)
        n = -1 if message.cell is None else message.n
        if held is not None and (message.version, n) <= (held.version, held.n):
            return
        self._judge_anew(person)
        came = message.came or (held.came if held is not None and held.cell is not None else "")
        cell = _cell(message)
        person.anchors[message.anchor] = Held(message.version, n, cell, message.named, came, message.gone or "")
        self._changed(person)
        if message.touchpoint is not None:
            self._touched(person, message, message.touchpoint)
        elif message.cell is not None:
            self._moved(person, message, came)
        else:
            self._gone(person, message)

    def publish(self) -> None:
        """The last state of every person that changed. Who never had a touchpoint is nobody, unless redirected."""
        for owner, person in self.changes.items():
            assert isinstance(person, Person)
            profile = self._profile(person)
            if person.count > 1 or not profile.deleted or profile.redirect:
                self.emits.append(Emit("profiles", owner, profile))
            else:
                person.count = 0

    def _person(self, message: CellMessage) -> Person:
        found: Any = self.changes.get(message.owner) or self._records[message.owner]
        return found or Person(message.workspace, message.owner)

    def _changed(self, person: Person) -> None:
        owner = person.profile_id
        if owner not in self.changes:
            self.changes[owner] = person
            person.count += 1
        self._views.pop(owner, None)
        self._profiles.pop(owner, None)

    def _view(self, person: Person) -> View:
        view = self._views.get(person.profile_id)
        if view is None:
            view = self._views[person.profile_id] = self._stage.views.of(person.profile_id, joined(person))
        return view

    def _profile(self, person: Person) -> Profile:
        profile = self._profiles.get(person.profile_id)
        if profile is None:
            profile = document(person, self._definitions, self._stage.generation, self._view(person))
            self._profiles[person.profile_id] = profile
        return profile

    def _judge_anew(self, person: Person) -> None:
        if person.judged != self._definitions.fingerprint:
            if person.judged:
                person.inside = () if redirect(person) else self._view(person).audiences
            person.judged = self._definitions.fingerprint

    def _touched(self, person: Person, message: CellMessage, touchpoint: Touchpoint) -> None:
        triggers = self._stage.triggers
        if triggers is None or event_name(touchpoint) in triggers:
            self._cause(person, touchpoint, "")
        if not self._definitions.who or redirect(person):
            return
        was, person.inside = person.inside, self._view(person).audiences
        if was == person.inside:
            return
        for audience in _without(was, person.inside):
            self._tell(message, audience, "exited", "touchpoint")
        for audience in _without(person.inside, was):
            self._tell(message, audience, "entered", "touchpoint")
            if audience in self._stage.watched:
                self._cause(person, touchpoint, audience)

    def _moved(self, person: Person, message: CellMessage, came: str) -> None:
        if not self._definitions.who or redirect(person):
            return
        now, was = self._view(person).audiences, person.inside
        alone = View(joined(person, came), self._definitions).audiences
        reason: Reason = "split" if names(person, message.anchor) else "merged"
        entered = [audience for audience in _without(now, was) if audience in alone]
        for audience in _without(was, now):
            self._tell(message, audience, "exited", reason)
        for audience in entered:
            self._tell(message, audience, "entered", reason)
        person.inside = tuple(sorted({*was, *entered} & {*now}))

    def _gone(self, person: Person, message: CellMessage) -> None:
        absorbed = redirect(person) is not None
        was, person.inside = person.inside, () if absorbed else self._view(person).audiences
        reason: Reason = "merged" if absorbed else "split"
        for audience in _without(was, person.inside):
            self._tell(message, audience, "exited", reason)
        for audience in _without(person.inside, was):
            self._tell(message, audience, "entered", reason)

    def _tell(self, message: CellMessage, audience: str, change: Change, reason: Reason) -> None:
        touchpoint = message.touchpoint
        told = AudienceChange(
            workspace=message.workspace,
            profile_id=message.owner,
            audience=audience,
            change=change,
            reason=reason,
            cause=message.cause,
            at=self._now if touchpoint is None else touchpoint.received_at,
        )
        self.emits.append(Emit("audience-changes", message.owner, told))

    def _cause(self, person: Person, touchpoint: Touchpoint, audience: str) -> None:
        cause = Cause(
            workspace=person.workspace,
            profile_id=person.profile_id,
            anchor=touchpoint.anchor,
            audience=audience,
            touchpoint=touchpoint,
            profile=self._profile(person),
        )
        self.emits.append(Emit("causes", person.profile_id, cause))


def _cell(message: CellMessage) -> Cell | None:
    """The cell, which may have come as itself or in the bytes of the wire."""
    cell: Any = message.cell
    return cell if cell is None or isinstance(cell, Cell) else decode(cell)


def _without(some: tuple[str, ...], others: tuple[str, ...]) -> list[str]:
    return [audience for audience in some if audience not in others]
