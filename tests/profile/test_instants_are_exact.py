"""Everything that is told of a person has an instant of its own, and every document a version of its own: however the
log was cut into frames, whoever else was in them, and however early wake-ups fired."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import fast
from schemas.fast import AudienceChange, CellMessage, Profile, Touchpoint
from services.processor import WAKEUPS, Wakeup
from tests.profile.every_kind import EVERY, history
from tests.profile.profile_stages import NOON, Stages, order, touchpoint

FOREVER = NOON + 400 * 86_400_000
Bytes = dict[str, list[bytes]]


def of_each(messages: Sequence[Any]) -> Bytes:
    """What was told about every person, byte for byte, in its order."""
    found: Bytes = defaultdict(list)
    for message in messages:
        found[message.profile_id].append(fast.dumps(message))
    return found


def last(profiles: Sequence[Profile]) -> dict[str, bytes]:
    return {profile.profile_id: fast.dumps(profile) for profile in profiles}


def versions(profiles: Sequence[Profile], hit: Counter[str]) -> dict[tuple[str, int], bytes]:
    """Every document by person and version, of which each has one."""
    found: dict[tuple[str, int], bytes] = {}
    for profile in profiles:
        assert found.setdefault((profile.profile_id, profile.version), fast.dumps(profile)) == fast.dumps(profile)
        hit["redirect"] += profile.redirect is not None
    return found


class Again:
    """The cells of each person once more, in their order for each person and in any frames, with any `now`."""

    def __init__(self, cells: Sequence[CellMessage], data: st.DataObject):
        self.stages, self._data = Stages(EVERY), data
        self._waiting: dict[str, deque[CellMessage]] = defaultdict(deque)
        for cell in cells:
            self._waiting[cell.owner].append(cell)

    def run(self) -> Stages:
        while any(self._waiting.values()):
            self._fire()
            cells = list(self._some())
            now = NOON + self._data.draw(st.integers(-1_000, 10**9))
            self.stages.handle("assemble", "cells", cells, now=now)
        return self.stages.wait(FOREVER)

    def _some(self) -> Iterator[CellMessage]:
        for _ in range(self._data.draw(st.integers(1, 8))):
            there = [owner for owner, cells in self._waiting.items() if cells]
            if there:
                yield self._waiting[self._data.draw(st.sampled_from(there))].popleft()

    def _fire(self) -> None:
        """Some of the wake-ups that may fire: those before everything that is still to come to a person."""
        for wakeup in sorted(self.stages.wakeups):
            if all(wakeup.due <= cell.at for cell in self._waiting[wakeup.key]) and self._data.draw(st.booleans()):
                self.stages.wakeups.discard(wakeup)
                self.stages.handle("assemble", WAKEUPS, [Wakeup(*wakeup)], now=wakeup.due)


def test_any_cut_any_interleaving_and_any_moment_of_waking_tell_the_same_at_the_same_instants() -> None:
    hit: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**32), st.data())
    def holds(seed: int, data: st.DataObject) -> None:
        calm = Stages(EVERY).arrive(*history(seed, anchors=2)).wait(FOREVER)
        rough = Again(calm.cells, data).run()
        for topic in ("audience-changes", "causes"):
            assert of_each(rough.published[topic]) == of_each(calm.published[topic])
        assert last(rough.published["profiles"]) == last(calm.published["profiles"])
        documents = versions(calm.published["profiles"], hit)
        for which, document in versions(rough.published["profiles"], hit).items():
            assert documents.setdefault(which, document) == document
        hit.update(change.reason for change in calm.published["audience-changes"])
        hit["other frames"] += len(rough.published["profiles"]) != len(calm.published["profiles"])

    holds()
    assert min(hit[what] for what in ("touchpoint", "merged", "time", "redirect", "other frames")) > 10, hit


def test_who_else_is_in_a_frame_changes_nothing_for_anybody() -> None:
    """Each frame has one touchpoint of some of the people; alone, everybody has their frames for themselves."""
    hit: Counter[str] = Counter()

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 2**32), st.data())
    def holds(seed: int, data: st.DataObject) -> None:
        whole = history(seed, anchors=2, people=3)
        people = [[one for one in whole if one.anchor.partition(":")[2][0] == name] for name in "123"]
        alone: dict[str, Bytes] = {"audience-changes": {}, "causes": {}, "profiles": {}}
        for theirs in people:
            stages = Stages(EVERY)
            for one in theirs:
                stages.arrive(one)
            stages.wait(FOREVER)
            for topic, found in alone.items():
                found |= of_each(stages.published[topic])
        together = Stages(EVERY)
        for frame in _frames(whole):
            together.arrive(*frame, most=data.draw(st.sampled_from([1, 2, 1_000])))
            hit["in company"] += len(frame) > 1
        together.wait(FOREVER)
        for topic in ("audience-changes", "causes"):
            assert of_each(together.published[topic]) == alone[topic]
        newest = {owner: documents[-1] for owner, documents in alone["profiles"].items()}
        assert last(together.published["profiles"]) == newest
        hit.update(change.reason for change in together.published["audience-changes"])

    holds()
    assert min(hit["in company"], hit["merged"]) > 10, hit


def _frames(whole: list[Touchpoint]) -> Iterator[list[Touchpoint]]:
    """Frames that are as long as can be without two touchpoints of one person."""
    frame: dict[str, Touchpoint] = {}
    for one in whole:
        person = one.anchor.partition(":")[2][0]
        if person in frame:
            yield list(frame.values())
            frame = {}
        frame[person] = one
    yield list(frame.values())


def test_a_merge_is_told_at_the_receipt_of_the_touchpoint_that_made_it() -> None:
    user, device, stranger = "user_id:1", "anonymous_id:a", "user_id:2"
    stages = Stages().arrive(touchpoint("visit", device, event="Signed In"))
    stages.arrive(order("m1", user, at=NOON + 1), order("m2", user, at=NOON + 2))
    login = touchpoint("login", user, device, event="Signed In", at=NOON + 3)
    stages.arrive(login, order("m3", stranger, at=NOON + 500))
    merged: list[AudienceChange] = [one for one in stages.published["audience-changes"] if one.reason == "merged"]
    assert [(one.change, one.cause, one.at) for one in merged] == [
        ("exited", "login", NOON + 3),
        ("entered", "login", NOON + 3),
    ]
    assert {one.at for one in stages.published["membership"] if one.cause == "login"} == {NOON + 3}
    assert all(one.at for one in stages.cells)


def test_cells_of_before_there_were_instants_are_judged_at_their_frame() -> None:
    stages = Stages().arrive(order("m1", "user_id:1"), order("m2", "user_id:1", at=NOON + 1))
    stages.arrive(touchpoint("visit", "anonymous_id:a", event="Signed In", at=NOON - 1, received_at=NOON + 2))
    stages.arrive(touchpoint("login", "user_id:1", "anonymous_id:a", event="Signed In", at=NOON + 3))
    assert all(cell.at for cell in stages.cells)
    old = b"[%s]" % b",".join(fast.dumps(cell).replace(b',"at":%d,"tog' % cell.at, b',"tog') for cell in stages.cells)
    after = Stages()
    after.handle("assemble", "cells", msgspec.json.decode(old, type=list[CellMessage]), now=NOON + 7)
    told: list[AudienceChange] = after.published["audience-changes"]
    assert {one.at for one in told} == {NOON + 7}
    assert [change[1:] for change in after.changes()] == [change[1:] for change in stages.changes()]
