"""Fold, identity, assemble and accounts run by hand: records go through msgpack and messages through JSON each time.
Wake-ups fire as the engine fires them: before a frame up to its first message, after it up to its last."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from schemas import fast
from schemas.fast import AudienceChange, Cause, CellMessage, Profile, Touchpoint
from schemas.identifiers import profile_id
from schemas.topics import TOPICS
from services.identifiers import IdentifierType, IdentityRules
from services.identity.processor import Identity
from services.processor import WAKEUPS, Frame, Processor, Wakeup
from services.profile.accounts import Accounts
from services.profile.assemble import Assemble
from services.profile.definitions import Audience, Definitions, Trait
from services.profile.fold import Fold
from services.profile.person import Person

WORKSPACE = "main"
NOON = 1_700_000_000_000
HOUR = 3_600_000
RULES = IdentityRules(
    types={
        "user_id": IdentifierType(priority=1, limit=1),
        "email": IdentifierType(priority=2, limit=2, normalise="email"),
        "anonymous_id": IdentifierType(priority=100, limit=3),
    }
)
DEFINITIONS = Definitions(
    traits=[
        Trait(name="orders", event="Order", count=True),
        Trait(name="spent", event="Order", sum="total"),
        Trait(name="spent_online", event="Order", sum="total", where={"property": "shop", "is": "online"}),
        Trait(name="first_product", event="Order", first="product"),
        Trait(name="last_product", event="Order", last="product"),
    ],
    audiences=[
        Audience(name="buyers", who={"trait": "orders", "gte": 2}),
        Audience(name="lookers", who={"all": [{"event": "page"}, {"not": {"event": "Order"}}]}),
        Audience(name="spenders", who={"trait": "spent", "gte": 0.3}),
    ],
)


def touchpoint(message_id: str, *identifiers: str, event: str = "Order", at: int = NOON, **more: Any) -> Touchpoint:
    """A touchpoint of whoever has these identifiers; `event` "page" or "identify" is one of that type."""
    kind = event if event in ("page", "identify") else "track"
    ordered = tuple(sorted(identifiers, key=RULES.rank))
    objects = {name: fast.raw(more.pop(name, {})) for name in ("properties", "traits", "context")}
    given: dict[str, Any] = {
        "workspace": WORKSPACE, "source": "web", "channel": "web", "type": kind,
        "event": event if kind == "track" else "", "message_id": message_id,
        "anchor": ordered[0], "identifiers": ordered, "timestamp": at, "received_at": at,
        "evidence_at": at,
    }  # fmt: skip
    return Touchpoint(**(given | objects | more))


def order(message_id: str, *identifiers: str, total: Any = 0.1, **more: Any) -> Touchpoint:
    return touchpoint(message_id, *identifiers, properties={"total": total}, **more)


CONSUMERS = {"evidence": "identity", "membership": "fold", "cells": "assemble", "contributions": "accounts"}


class Stages:
    """The stages with their stores. What others read is in `published`, by topic."""

    def __init__(self, definitions: Definitions = DEFINITIONS, rules: IdentityRules = RULES, **assemble: Any):
        self.definitions = definitions
        stages: list[Processor] = [
            Fold(definitions), Identity(rules), Assemble(definitions, **assemble), Accounts(definitions)
        ]  # fmt: skip
        self.stages = {stage.name: stage for stage in stages}
        self.stores: dict[str, dict[str, bytes]] = {name: {} for name in self.stages}
        self.published: dict[str, list[Any]] = {name: [] for name in TOPICS}
        self.waiting: dict[str, deque[Any]] = {topic: deque() for topic in CONSUMERS}
        self.wakeups: set[Wakeup] = set()
        self.position = self.now = 0

    def arrive(self, *touchpoints: Touchpoint, most: int = 1_000) -> "Stages":
        """One frame of touchpoints, carried through in frames of at most `most` messages."""
        positions = [(self.position, index) for index in range(len(touchpoints))]
        self.position += 1
        if touchpoints:
            self.wait(touchpoints[0].received_at)
            self.now = max(self.now, *(one.received_at for one in touchpoints))
        self.handle("fold", "touchpoints", touchpoints, positions)
        while any(self.waiting.values()):
            for topic, stage in CONSUMERS.items():
                waiting = self.waiting[topic]
                frame = [waiting.popleft() for _ in range(min(most, len(waiting)))]
                if frame:
                    self.handle(stage, topic, frame)
        return self.wait(self.now)

    def wait(self, until: int) -> "Stages":
        """Let the time pass: everything that is due by then fires."""
        while due := min((wakeup.due for wakeup in self.wakeups if wakeup.due <= until), default=0):
            fired = sorted(wakeup for wakeup in self.wakeups if wakeup.due == due)
            self.wakeups.difference_update(fired)
            self.handle("assemble", WAKEUPS, fired, now=due)
        return self

    def handle(self, name: str, topic: str, messages: Sequence[Any], positions: Any = (), now: int = 0) -> None:
        stage, store = self.stages[name], self.stores[name]
        frame = Frame(topic, 0, messages, now or self.now, positions)
        have: dict[str, Any] = {}
        while missing := [key for key in dict.fromkeys(stage.wants(frame, have)) if key not in have]:
            have |= {k: msgspec.msgpack.decode(store[k], type=stage.record) if k in store else None for k in missing}
        outcome = stage.decide(frame, have)
        for key, record in outcome.records.items():
            if record is None:
                store.pop(key, None)
            else:
                store[key] = msgspec.msgpack.encode(record)
        self.wakeups.update(outcome.wakeups)
        for topic, _, message in outcome.emits:
            read = msgspec.json.decode(fast.dumps(message), type=type(message))
            self.published[topic].append(read)
            if topic in self.waiting:
                self.waiting[topic].append(read)

    def records(self, name: str) -> dict[str, Any]:
        return {k: msgspec.msgpack.decode(v, type=self.stages[name].record) for k, v in self.stores[name].items()}

    def persons(self) -> Mapping[str, Person]:
        return self.records("assemble")

    @property
    def cells(self) -> list[CellMessage]:
        """Every cell that was sent to anybody."""
        return self.published["cells"]

    def newest(self) -> dict[str, Profile]:
        """The published documents, as a reader of the compacted topic has them."""
        return {profile.profile_id: profile for profile in self.published["profiles"]}

    def profile(self, identifier: str) -> Profile:
        """The published profile of the owner of this identifier."""
        found = self.newest()[profile_id(WORKSPACE, identifier)]
        return self.newest()[found.redirect] if found.redirect else found

    def changes(self) -> list[tuple[str, str, str, str, str]]:
        """(identifier the person is named by, audience, change, reason, cause) of every audience change."""
        told: Iterable[AudienceChange] = self.published["audience-changes"]
        return [(self.named(c.profile_id), c.audience, c.change, c.reason, c.cause) for c in told]

    def causes(self) -> list[tuple[str, str]]:
        """(message id, audience) of every cause."""
        causes: Iterable[Cause] = self.published["causes"]
        return [(cause.touchpoint.message_id, cause.audience) for cause in causes]

    def named(self, owner: str) -> str:
        records = self.records("fold").values()
        return next((r.identifier for r in records if profile_id(WORKSPACE, r.identifier) == owner), owner)


def plain(profile: Profile) -> bytes:
    """A document without its version, as bytes."""
    return fast.dumps(msgspec.structs.replace(profile, version=0))  # type: ignore[type-var]
