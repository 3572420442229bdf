"""The identity stage run by hand: records go through msgpack after every frame, as the engine keeps them."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from schemas.fast import Evidence, IdentityChange, Membership
from schemas.identifiers import profile_id
from services.identifiers import IdentifierType, IdentityRules
from services.identity.people import people
from services.identity.processor import Identity
from services.identity.records import NEVER, Component, Known, Link, Record
from services.processor import Frame, Outcome

WORKSPACE = "main"


class Seen(NamedTuple):
    """A touchpoint, as far as identity is concerned: identifiers in any order, and the two stamps."""

    identifiers: tuple[str, ...]
    evidence_at: int
    received_at: int
    previous: str = ""
    message_id: str = "m"


def rules_of(user_id: int = 1, email: int = 2, anonymous_id: int = 3, on_conflict: str = "first") -> IdentityRules:
    return IdentityRules(
        types={
            "user_id": IdentifierType(priority=1, limit=user_id),
            "email": IdentifierType(priority=2, limit=email, normalise="email"),
            "anonymous_id": IdentifierType(priority=100, limit=anonymous_id, on_conflict=on_conflict),
        }
    )


def evidence_of(seen: Seen, rules: IdentityRules) -> Evidence:
    ordered = tuple(sorted(set(seen.identifiers), key=rules.rank))
    return Evidence(
        workspace=WORKSPACE,
        message_id=seen.message_id,
        anchor=ordered[0],
        identifiers=ordered,
        previous=seen.previous,
        evidence_at=seen.evidence_at,
        received_at=seen.received_at,
        source="web",
    )


class Stage:
    """One identity stage with its store; remembers everything it published."""

    def __init__(self, rules: IdentityRules):
        self.rules, self.identity = rules, Identity(rules)
        self.store: dict[str, bytes] = {}
        self.published: list[Any] = []
        self._decode = msgspec.msgpack.Decoder(Record).decode

    def handle(self, evidence: Sequence[Evidence]) -> list[Any]:
        """One frame; the messages it published."""
        outcome = self.outcome(evidence)
        for key, record in outcome.records.items():
            if record is None:
                self.store.pop(key, None)
            else:
                self.store[key] = msgspec.msgpack.encode(record)
        messages = [emit.message for emit in outcome.emits]
        self.published += messages
        return messages

    def outcome(self, evidence: Sequence[Evidence]) -> Outcome:
        """What one frame would lead to."""
        frame = Frame("evidence", 0, evidence, max((e.received_at for e in evidence), default=0))
        return self.identity.decide(frame, self._gather(frame))

    def reads(self, evidence: Sequence[Evidence]) -> set[str]:
        """The keys that one frame would read."""
        return set(self._gather(Frame("evidence", 0, evidence, 0)))

    def _gather(self, frame: Frame) -> dict[str, Any]:
        have: dict[str, Any] = {}
        while missing := {key for key in self.identity.wants(frame, have) if key not in have}:
            have |= {key: self._decode(self.store[key]) if key in self.store else None for key in missing}
        return have

    def run(self, history: Iterable[Seen], cuts: frozenset[int] = frozenset()) -> "Stage":
        """The whole history, a new frame beginning at each of the cuts."""
        frame: list[Evidence] = []
        for n, seen in enumerate(history):
            if n in cuts:
                self.handle(frame)
                frame = []
            frame.append(evidence_of(seen, self.rules))
        self.handle(frame)
        return self

    def records(self) -> list[Any]:
        return [self._decode(value) for value in self.store.values()]

    def whole(self) -> bool:
        """Every identifier's component is there and has it as a member, and there are no others."""
        found = {record.key: set(record.members) for record in self.records() if isinstance(record, Component)}
        named: dict[str, set[str]] = {}
        for record in self.records():
            if isinstance(record, Known) and record.component:
                named.setdefault(record.component, set()).add(record.identifier)
        return named == found

    def owners(self) -> dict[str, str]:
        """identifier → profile id, of every identifier that a touchpoint has named."""
        known = [record for record in self.records() if isinstance(record, Known)]
        return {record.identifier: record.owner for record in known if record.received_at < NEVER}

    def people(self) -> set[frozenset[str]]:
        together: dict[str, set[str]] = {}
        for identifier, owner in self.owners().items():
            together.setdefault(owner, set()).add(identifier)
        return {frozenset(members) for members in together.values()}

    def links(self) -> dict[tuple[str, str], Link]:
        found = [record for record in self.records() if isinstance(record, Component)]
        return {ends: link for record in found for ends, link in record.links.items()}

    def refused(self) -> dict[tuple[str, str], str]:
        """Pair → rule, by the pure function from what each component keeps; the records must say the same."""
        rules: dict[tuple[str, str], str] = {}
        for record in self.records():
            if isinstance(record, Component):
                received = {identifier: member.received_at for identifier, member in record.members.items()}
                found = people(received, {ends: link.at for ends, link in record.links.items()}, self.rules)
                assert {ends for ends, link in record.links.items() if link.refused} == set(found.refused)
                rules |= found.refused
        return rules

    def look_up(self, profile_id: str) -> str:
        """The profile that this profile id, or the key of this identifier, belongs to now: one get."""
        found: Known = self._decode(self.store[profile_id])
        return found.owner

    def memberships(self) -> list[Membership]:
        return [message for message in self.published if isinstance(message, Membership)]

    def told(self) -> list[IdentityChange]:
        return [message for message in self.published if isinstance(message, IdentityChange)]

    def published_owners(self) -> dict[str, str]:
        """identifier → owner as a reader of the topic knows it: the highest version, and by default itself."""
        best = {identifier: (0, profile_id(WORKSPACE, identifier)) for identifier in self.owners()}
        for message in self.memberships():
            best[message.identifier] = max(best.get(message.identifier, (0, "")), (message.version, message.owner))
        return {identifier: best[identifier][1] for identifier in self.owners()}
