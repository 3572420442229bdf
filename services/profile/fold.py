"""The fold: one writer per anchor. Touchpoints become cells; what they tell about who is who goes to identity.

A touchpoint whose evidence is new waits, and those of its anchor behind it, until identity has answered. Then it is
folded and handed on, so that whoever acts on it sees the person as the touchpoint made them: a log-in with the
anonymous past. One message per touchpoint and always in the order of the log, so how frames are cut changes nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from schemas.fast import Contribution, Duplicate, Evidence, Membership, Touchpoint
from schemas.identifiers import account_id, profile_id
from services.processor import Emit, Frame, Outcome
from services.profile import anchor as anchors
from services.profile import seen
from services.profile.add import add
from services.profile.anchor import Anchor
from services.profile.definitions import Definitions
from services.profile.fill import TOPIC, Fill, filled
from services.profile.seen import HOUR, Page

DAY = 24 * HOUR


class Fold:
    """The processor. `window` (ms) is how far apart two receipts of one message id are still the same touchpoint."""

    name = "fold"
    inputs = ("touchpoints", "membership")
    record: Any = Anchor | Page

    def __init__(self, definitions: Definitions, window: int = 7 * DAY):
        self._definitions, self._window = definitions, window // HOUR

    def wants(self, frame: Frame, have: Mapping[str, Any]) -> Iterable[str]:
        """The record of every anchor, and for one with many ids the pages on the way to the touchpoint's id."""
        if frame.topic in ("membership", TOPIC):
            return [profile_id(m.workspace, m.identifier) for m in frame.messages]
        wanted = []
        for touchpoint in frame.messages:
            key = profile_id(touchpoint.workspace, touchpoint.anchor)
            wanted.append(key)
            found = have.get(key)
            if found is not None and found.seen.split:
                wanted += _pages(key, touchpoint.message_id, have)
        return wanted

    def decide(self, frame: Frame, records: Mapping[str, Any]) -> Outcome:
        """Fold the frame's touchpoints, or take over its owners and answers."""
        turn = _Turn(self._definitions, self._window, records)
        if frame.topic == "membership":
            turn.members(frame.messages)
        elif frame.topic == TOPIC:
            turn.fill(frame.messages)
        else:
            for index, touchpoint in enumerate(frame.messages):
                offset, line = frame.positions[index] if frame.positions else (0, index)
                turn.touch(touchpoint, (frame.partition, offset, line))
        return Outcome(turn.changes, turn.emits, [])


def _pages(key: str, message_id: str, have: Mapping[str, Any]) -> Iterable[str]:
    for below in seen.below(key, seen.hashed(message_id)):
        yield below
        page = have.get(below)
        if page is None or not page.split:
            return


class _Turn:
    """One frame being decided."""

    def __init__(self, definitions: Definitions, window: int, records: Mapping[str, Any]):
        self._definitions, self._window, self._records = definitions, window, records
        self.changes: dict[str, msgspec.Struct | None] = {}
        self.emits: list[Emit] = []

    def touch(self, touchpoint: Touchpoint, position: tuple[int, int, int]) -> None:
        """A duplicate is told as such. Another one is folded, or waits when it has something to tell identity."""
        key, anchor = self._anchor(touchpoint.workspace, touchpoint.anchor)
        if not self._first_time(key, anchor, touchpoint):
            self._duplicate(touchpoint, *position)
            return
        if anchors.news(anchor, touchpoint):
            self._tell(touchpoint)
            anchors.wait(anchor, touchpoint, answered=False)
        elif anchor.waiting:
            anchors.wait(anchor, touchpoint, answered=True)
        else:
            self._fold(anchor, touchpoint)
            return
        for ready, together in anchors.released(anchor) if len(anchor.waiting) > anchors.WAITING else ():
            self._fold(anchor, ready, together)

    def members(self, members: Iterable[Membership]) -> None:
        """In their order: a new owner is told to all whom it concerns, an answer lets go what waited for it."""
        for member in members:
            anchor = self._anchor(member.workspace, member.identifier)[1]
            if member.version > anchor.version:
                for message in anchors.move(anchor, member):
                    self.emits.append(Emit("cells", message.owner, message))
            for ready, together in anchors.released(anchor, member) if member.answers else ():
                self._fold(anchor, ready, together)

    def fill(self, fills: Iterable[Fill]) -> None:
        """Join what the cells lack. The owner gets a new snapshot, which no touchpoint and no move is the cause of."""
        for one in fills:
            anchor = self._anchor(one.workspace, one.identifier)[1]
            anchor.cell = filled(anchor.cell, one.cell)
            self.emits.append(Emit("cells", anchor.owner, anchors.snapshot(anchor)))

    def _anchor(self, workspace: str, identifier: str) -> tuple[str, Anchor]:
        key = profile_id(workspace, identifier)
        found: Any = self.changes.get(key)
        if found is None:
            found = self._records[key] or anchors.fresh(workspace, identifier)
            self.changes[key] = found
        return key, found

    def _first_time(self, key: str, anchor: Anchor, touchpoint: Touchpoint) -> bool:
        """Whether the memory has not had this id yet; and from now on it has."""
        new = seen.made(touchpoint.message_id, touchpoint.received_at, touchpoint.imported)
        page: Any = anchor.seen
        at, depth, below = key, 0, seen.below(key, new.hash)
        while page.split:
            at, depth = next(below), depth + 1
            page = self.changes.get(at) or self._records.get(at) or Page()
        if seen.duplicate(page, new, self._window):
            return False
        if depth:
            self.changes[at] = page
        if not seen.remember(page, new):
            if not depth:
                at += "/"
            for digit, part in seen.divide(page, depth).items():
                self.changes[at + digit] = part
            return self._first_time(key, anchor, touchpoint)
        return True

    def _fold(self, anchor: Anchor, touchpoint: Touchpoint, together: anchors.Together = ()) -> None:
        anchor.cell = add(anchor.cell, touchpoint, self._definitions)
        anchor.n += 1
        at = touchpoint.received_at
        message = anchors.snapshot(anchor, touchpoint, touchpoint.message_id, at=at, together=together)
        self.emits.append(Emit("cells", anchor.owner, message))
        if touchpoint.group_id:
            self._contribute(anchor, touchpoint)

    def _contribute(self, anchor: Anchor, touchpoint: Touchpoint) -> None:
        contribution = Contribution(
            workspace=touchpoint.workspace,
            account=touchpoint.group_id,
            anchor=anchor.identifier,
            n=anchor.n,
            touchpoint=touchpoint,
        )
        self.emits.append(Emit("contributions", account_id(touchpoint.workspace, touchpoint.group_id), contribution))

    def _tell(self, touchpoint: Touchpoint) -> None:
        evidence = Evidence(
            workspace=touchpoint.workspace,
            message_id=touchpoint.message_id,
            anchor=touchpoint.anchor,
            identifiers=touchpoint.identifiers,
            previous=touchpoint.previous,
            evidence_at=touchpoint.evidence_at,
            received_at=touchpoint.received_at,
            source=touchpoint.source,
        )
        self.emits.append(Emit("evidence", touchpoint.workspace, evidence))

    def _duplicate(self, touchpoint: Touchpoint, partition: int, offset: int, index: int) -> None:
        duplicate = Duplicate(
            workspace=touchpoint.workspace,
            message_id=touchpoint.message_id,
            anchor=touchpoint.anchor,
            partition=partition,
            offset=offset,
            index=index,
        )
        self.emits.append(Emit("duplicates", touchpoint.anchor, duplicate))
