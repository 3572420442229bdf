"""The assemble stage: one writer per person. Cells become profiles; entering and exiting audiences is told.

Who entered or exited is decided message by message, each at an instant of its own:

- A touchpoint's cell, at its `received_at`: what differs from what was told is because of this touchpoint. It is the
  cause of every entry.
- A cell that came from another owner, at the `received_at` of the evidence that moved it: its former person was in
  those audiences that all cells from there satisfy by themselves; these are told as `merged` (`split` where an
  identifier comes back to the profile it names) and start nothing. An entry that neither side had alone is left to the
  next touchpoint's cell: when a log-in joins two histories that follows at once, because the fold hands the log-in on
  after all moves.
- A cell that is gone, at the same instant: with the identifier that names the profile the person is absorbed, and all
  audiences end as `merged`; with another one it is a `split`.
- Time: before a message, and when a wake-up fires, the person goes through every instant up to then at which audiences
  may be others (turning.py), in their order. So it does not matter how early the wake-up of one of them came, nor how
  the messages of a person were cut into frames. The cause is a touchpoint of our own (`_struck`).

The frame's `now` is only the instant of what has none of its own: a cell whose history was filled in, and the coming of
a touchpoint that was restored. The instants of a person never go back. When the definitions changed since the person
was last judged, the person is judged silently first, as of the instant at which they changed: an edit of a file makes
nobody enter, and keeps nobody from it whose time comes later.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from schemas.fast import AudienceChange, Cause, CellMessage, Profile, Touchpoint
from services.conditions.subject import event_name
from services.processor import WAKEUPS, Emit, Frame, Outcome, Wakeup
from services.profile.cell import Cell, decode
from services.profile.definitions import Definitions
from services.profile.event import event
from services.profile.fill import JUDGED
from services.profile.person import Held, Person, document, joined, names, redirect, somebody
from services.profile.struck import cause_of, struck
from services.profile.together import pending, take_ready
from services.profile.turning import LATEST, Turn
from services.profile.view import View, Views

VIEWS = 20_000  # persons whose views are kept at least; each takes about 1 KB
Reason = Literal["touchpoint", "merged", "split", "time"]
Change = Literal["entered", "exited"]


class Assemble:
    """The processor. `triggers` are the events and `watched` the audiences that some rule listens to: only they become
    causes (None: all of them). `generation` grows with every rebuild, and the versions of profiles with it. What fell
    due up to `past` (epoch ms) was dealt with before a rebuild: it is told, but as restored. `since` is when these
    definitions came into force. With `events` every touchpoint is published with its person."""

    name = "assemble"
    inputs = ("cells",)
    record: Any = Person

    def __init__(
        self,
        definitions: Definitions,
        generation: int = 0,
        triggers: Iterable[str] | None = None,
        watched: Iterable[str] | None = None,
        past: int = 0,
        since: int = LATEST,
        events: bool = False,
    ):
        self.definitions, self.generation, self.past, self.since = definitions, generation, past, since
        self.events = events
        self.views = Views(definitions, VIEWS)
        self.triggers = None if triggers is None else frozenset(triggers)
        self.watched = frozenset(dict(definitions.who) if watched is None else watched)

    def wants(self, frame: Frame, have: Mapping[str, Any]) -> Iterable[str]:
        """The persons that the cells are for, or whose time it is."""
        if frame.topic == WAKEUPS:
            return [wakeup.key for wakeup in frame.messages]
        return [message.owner for message in frame.messages]

    def decide(self, frame: Frame, records: Mapping[str, Any]) -> Outcome:
        """One profile per person that changed, every audience change and cause on the way, and the next wake-ups."""
        turn = _Turn(self, frame.now, records)
        for message in frame.messages:
            if frame.topic == WAKEUPS:
                turn.wake(message.key)
            elif frame.topic == JUDGED:
                turn.judge(message.owner)
            else:
                turn.take(message)
        turn.publish()
        return Outcome(turn.changes, turn.emits, turn.wakeups)


class _Turn:
    """One frame being decided."""

    def __init__(self, stage: Assemble, now: int, records: Mapping[str, Any]):
        self._stage, self._definitions, self._now, self._records = stage, stage.definitions, now, records
        self.changes: dict[str, msgspec.Struct | None] = {}
        self.emits: list[Emit] = []
        self.wakeups: list[Wakeup] = []
        self._published: set[str] = set()  # the persons whose documents change
        self._views: dict[str, View] = {}  # of persons as they are now, worked out once
        self._profiles: dict[str, Profile] = {}  # and their documents

    def take(self, message: CellMessage) -> None:
        """Let it count, or wait for what belongs to it."""
        person = self._person(message)
        if not person.waiting and not message.together:
            self._count(person, message)
            return
        self.changes[person.profile_id] = person
        one = pending(message)
        if one not in person.waiting:
            person.waiting.append(one)
        while ready := take_ready(person.waiting, {name: held.version for name, held in person.anchors.items()}):
            for other in ready:
                self._count(person, other)

    def _count(self, person: Person, message: CellMessage) -> None:
        """Keep the newest of each anchor; older news and repetitions change nothing and cause nothing."""
        held = person.anchors.get(message.anchor)
        n = -1 if message.cell is None else message.n
        fill = message.touchpoint is None and message.cell is not None and message.came is None
        if held is not None and (message.version, n) <= (held.version, held.n - fill):
            if message.touchpoint is not None:  # a fill has no touchpoint more than what is held
                self._late(person, message, held)
            return
        if not message.at:
            message = msgspec.structs.replace(message, at=self._now)  # type: ignore[type-var]
        self._reach(person, message.at)
        came = message.came or (held.came if held is not None and held.cell is not None else "")
        cell = _cell(message)
        told = message.n if message.touchpoint or held is None or held.cell is None else held.told
        person.anchors[message.anchor] = Held(message.version, n, cell, message.named, came, message.gone or "", told)
        self._views.pop(person.profile_id, None)
        self._changed(person)
        if message.touchpoint is not None:
            self._touched(person, message, message.touchpoint)
        elif fill:
            self._filled(person)
        elif message.cell is not None:
            self._moved(person, message, came)
        else:
            self._gone(person, message)

    def _late(self, person: Person, message: CellMessage, held: Held) -> None:
        """A touchpoint that is in what is held already. The rules may not have heard of it: a fold that ended between
        publishing and writing may have moved the anchor first and folded the touchpoint again after it, for the owner
        from before. That one hands it on, and who owns the anchor now tells it, once."""
        assert message.touchpoint is not None
        if held.cell is None:
            if message.version < held.version:
                later = {"owner": held.gone, "version": held.version, "together": ()}
                self.emits.append(Emit("cells", held.gone, msgspec.structs.replace(message, **later)))  # type: ignore[type-var]
        elif message.n > held.told:
            held.told = message.n
            self.changes[person.profile_id] = person
            self._touched(person, message, message.touchpoint)

    def wake(self, key: str) -> None:
        """The time of a person has come, unless another wake-up was set since."""
        person: Any = self._records[key]
        if person is not None and 0 < person.due <= self._now:
            self.changes[key], person.due = person, 0
            self._judge_anew(person, self._now)
            self._pass(person, self._now)

    def judge(self, key: str) -> None:
        """Look at a person by the definitions of today, silently, if nobody has yet."""
        person: Any = self._records[key]
        if person is not None and person.judged != self._definitions.fingerprint:
            self.changes[key] = person
            self._reach(person, self._now)

    def publish(self) -> None:
        """The last state of every person that changed."""
        for owner, person in self.changes.items():
            assert isinstance(person, Person)
            self._set_wakeup(person)
            if owner in self._published:
                self.emits.append(Emit("profiles", owner, self._profile(person)))

    def _set_wakeup(self, person: Person) -> None:
        """One that is set for an earlier instant stays: it finds nothing changed and sets the next."""
        if not self._definitions.clocks:
            return
        turn = self._view(person).turn
        if turn is None or person.at < person.due <= turn.due:
            return
        person.due = turn.due
        self.wakeups.append(Wakeup(turn.due, person.profile_id))

    def _person(self, message: CellMessage) -> Person:
        found: Any = self.changes.get(message.owner) or self._records[message.owner]
        return found or Person(message.workspace, message.owner)

    def _changed(self, person: Person) -> None:
        """There is another document from now on, if there is any. Counted by changes and not by frames, one version is
        one document, however often and in whatever frames it is worked out."""
        owner = person.profile_id
        self.changes[owner] = person
        if person.count or somebody(person):
            person.count += 1
            self._published.add(owner)
        self._profiles.pop(owner, None)

    def _view(self, person: Person) -> View:
        """The person at the instant of their last judgement."""
        owner = person.profile_id
        view = self._views.get(owner)
        if view is None or view.now != person.at:
            cell = joined(person) if view is None else view.cell
            view = self._views[owner] = self._stage.views.of(owner, cell, person.at)
        return view

    def _profile(self, person: Person) -> Profile:
        profile = self._profiles.get(person.profile_id)
        if profile is None:
            profile = document(person, self._definitions, self._stage.generation, self._view(person))
            self._profiles[person.profile_id] = profile
        return profile

    def _reach(self, person: Person, instant: int) -> None:
        """Let the person's time go on to the instant."""
        self._judge_anew(person, instant)
        if self._definitions.clocks:
            self._pass(person, instant)
            person.at = max(person.at, instant)

    def _judge_anew(self, person: Person, instant: int) -> None:
        if person.judged == self._definitions.fingerprint:
            return
        if self._definitions.clocks:
            person.at = max(person.at, min(instant, self._stage.since) if person.judged else instant)
        if person.judged:
            person.inside = () if redirect(person) else self._view(person).audiences
            self._changed(person)
        person.judged = self._definitions.fingerprint

    def _pass(self, person: Person, until: int) -> None:
        """Every instant up to then at which something may change, in their order."""
        while (turn := self._view(person).turn) is not None and turn.due <= until:
            before, person.at = self._view(person).audiences, turn.due
            now = self._view(person).audiences
            if now != before:
                self._changed(person)
                self._strike(person, turn, [audience for audience in now if audience not in before])

    def _strike(self, person: Person, turn: Turn, new: list[str]) -> None:
        """Tell what the time has changed, `new` being the audiences that hold by it."""
        if redirect(person):
            return
        was, now, cause = person.inside, self._view(person).audiences, cause_of(turn)
        entered = [audience for audience in _without(now, was) if audience in new]
        person.inside = tuple(sorted({*was, *entered} & {*now}))
        for audience in _without(was, now):
            self._tell(person, audience, "exited", "time", cause, turn.due)
        for audience in entered:
            self._tell(person, audience, "entered", "time", cause, turn.due)
            if audience in self._stage.watched:
                past = turn.due <= max(person.past, self._stage.past)
                self._cause(person, struck(person, turn, past), audience)

    def _touched(self, person: Person, message: CellMessage, touchpoint: Touchpoint) -> None:
        if touchpoint.restored and self._definitions.clocks:
            person.past = max(person.past, self._now)
        if self._stage.events:
            self.emits.append(Emit("events", person.profile_id, event(person.profile_id, touchpoint)))
        triggers = self._stage.triggers
        if triggers is None or event_name(touchpoint) in triggers:
            self._cause(person, touchpoint, "")
        if not self._definitions.who or redirect(person):
            return
        was, person.inside = person.inside, self._view(person).audiences
        if was == person.inside:
            return
        for audience in _without(was, person.inside):
            self._tell(person, audience, "exited", "touchpoint", message.cause, message.at)
        for audience in _without(person.inside, was):
            self._tell(person, audience, "entered", "touchpoint", message.cause, message.at)
            if audience in self._stage.watched:
                self._cause(person, touchpoint, audience)

    def _filled(self, person: Person) -> None:
        """The past was filled in: who is in an audience by it has not entered it now."""
        person.inside = () if redirect(person) else self._view(person).audiences

    def _moved(self, person: Person, message: CellMessage, came: str) -> None:
        if not self._definitions.who or redirect(person):
            return
        now, was = self._view(person).audiences, person.inside
        alone = View(joined(person, came), self._definitions, person.at).audiences
        reason: Reason = "split" if names(person, message.anchor) else "merged"
        entered = [audience for audience in _without(now, was) if audience in alone]
        for audience in _without(was, now):
            self._tell(person, audience, "exited", reason, message.cause, message.at)
        for audience in entered:
            self._tell(person, audience, "entered", reason, message.cause, message.at)
        person.inside = tuple(sorted({*was, *entered} & {*now}))

    def _gone(self, person: Person, message: CellMessage) -> None:
        absorbed = redirect(person) is not None
        was, person.inside = person.inside, () if absorbed else self._view(person).audiences
        reason: Reason = "merged" if absorbed else "split"
        for audience in _without(was, person.inside):
            self._tell(person, audience, "exited", reason, message.cause, message.at)
        for audience in _without(person.inside, was):
            self._tell(person, audience, "entered", reason, message.cause, message.at)

    def _tell(self, person: Person, audience: str, change: Change, reason: Reason, cause: str, at: int) -> None:
        told = AudienceChange(
            workspace=person.workspace,
            profile_id=person.profile_id,
            audience=audience,
            change=change,
            reason=reason,
            cause=cause,
            at=at,
        )
        self.emits.append(Emit("audience-changes", person.profile_id, told))

    def _cause(self, person: Person, touchpoint: Touchpoint, audience: str) -> None:
        if self._definitions.timeless:
            profile = self._profile(person)
        else:
            now = max(person.at, touchpoint.received_at)
            profile = document(person, self._definitions, self._stage.generation, self._view(person), now)
        cause = Cause(
            workspace=person.workspace,
            profile_id=person.profile_id,
            anchor=touchpoint.anchor,
            audience=audience,
            touchpoint=touchpoint,
            profile=profile,
        )
        self.emits.append(Emit("causes", person.profile_id, cause))


def _cell(message: CellMessage) -> Cell | None:
    """The cell, which may have come as itself or in the bytes of the wire."""
    cell: Any = message.cell
    return cell if cell is None or isinstance(cell, Cell) else decode(cell)


def _without(some: tuple[str, ...], others: tuple[str, ...]) -> list[str]:
    return [audience for audience in some if audience not in others]
