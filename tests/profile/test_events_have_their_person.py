"""The topic `events`: every touchpoint that counts, once, with the profile it was folded into; only if wanted."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.fast import Event, Touchpoint
from schemas.identifiers import profile_id
from tests.profile.profile_histories import histories
from tests.profile.profile_stages import DEFINITIONS, NOON, WORKSPACE, Stages, order, touchpoint

A, U = "anonymous_id:a", "user_id:1"


def test_every_touchpoint_is_one_event_of_somebody_who_had_it() -> None:
    hit: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None)
    @given(histories(), st.data())
    def holds(history: list[Touchpoint], data: st.DataObject) -> None:
        stages = Stages(DEFINITIONS, events=True)
        for one in history + data.draw(st.lists(st.sampled_from(history), max_size=3)):
            stages.arrive(one, most=data.draw(st.sampled_from([1, 1_000])))
        before = len(stages.published["events"])
        stages.handle("assemble", "cells", stages.cells)  # everything comes again
        events: list[Event] = stages.published["events"]
        assert len(events) == before == len(history)
        given = {one.message_id: one for one in history}
        for event in events:
            touchpoint = given.pop(event.message_id)
            for name in set(Event.__struct_fields__) - {"v", "profile_id"}:  # type: ignore[attr-defined]
                assert getattr(event, name) == getattr(touchpoint, name)
            owners = {c.owner for c in stages.cells if c.anchor == event.anchor}
            assert event.profile_id in owners
            hit["of another name"] += event.profile_id != profile_id(WORKSPACE, event.anchor)
        assert not given

    holds()
    assert hit["of another name"] > 20, hit


def test_the_profile_is_the_one_of_that_moment_and_identity_changes_tell_what_became_of_it() -> None:
    stages = Stages(events=True).arrive(order("m1", A))
    stages.arrive(order("m2", U, at=NOON + 1))
    stages.arrive(touchpoint("login", U, A, event="Signed In", at=NOON + 2))
    stages.arrive(order("m3", U, at=NOON + 3))
    ann, user = profile_id(WORKSPACE, A), profile_id(WORKSPACE, U)
    events: list[Event] = stages.published["events"]
    assert [(event.message_id, event.profile_id) for event in events] == [
        ("m1", ann),
        ("m2", user),
        ("login", ann),
        ("m3", ann),
    ]
    (change,) = stages.published["identity-changes"]
    assert (change.profile_id, change.into, change.identifiers) == (user, ann, (U,))


def test_nothing_is_published_unless_it_is_switched_on() -> None:
    assert not Stages().arrive(order("m1", A)).published["events"]
