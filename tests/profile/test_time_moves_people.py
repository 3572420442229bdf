"""Audiences that depend on time: everybody enters and exits at the very millisecond, however touchpoints are cut into
frames, and each entry has a cause of its own."""

from collections import Counter, defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.fast import AudienceChange, Cause, Touchpoint
from schemas.identifiers import profile_id
from services.conditions.subject import facts
from services.profile.definitions import Audience, Definitions, Trait
from services.profile.person import document
from tests.profile.every_kind import DAY, EVERY, INSTANTS, MINUTE, audiences, history
from tests.profile.profile_stages import NOON, Stages, plain, touchpoint

FOREVER = NOON + 400 * DAY
Told = dict[str, list[tuple[str, str, str, str, int]]]
U, A, E = "user_id:1", "anonymous_id:1", "email:1@x.io"

ABANDONED = Definitions(
    [
        Trait(name="idle", event="Checkout", days_since=True),
        Trait(name="today", event="Checkout", count=True, within="1d"),
    ],
    [
        Audience(name="abandoned", who={"did": "Checkout", "then_not": "Order", "within": "1h"}),
        Audience(name="week", who={"event": "Checkout", "within": "7d"}),
    ],
)
HOUR = 60 * MINUTE


def run(touchpoints: list[Touchpoint], cuts: set[int], until: int = FOREVER, **assemble: Any) -> Stages:
    stages, frame = Stages(EVERY, **assemble), list[Touchpoint]()
    for n, one in enumerate(touchpoints):
        if n in cuts:
            stages.arrive(*frame)
            frame = []
        frame.append(one)
    return stages.arrive(*frame).wait(until)


def told(stages: Stages) -> Told:
    """What every person was told, in its order."""
    found: Told = defaultdict(list)
    changes: list[AudienceChange] = stages.published["audience-changes"]
    for one in changes:
        found[one.profile_id].append((one.audience, one.change, one.reason, one.cause, one.at))
    return found


def causes(stages: Stages) -> list[tuple[str, str, int]]:
    """(message id, audience, received at) of what time has done."""
    found: list[Cause] = stages.published["causes"]
    return [
        (c.touchpoint.message_id, c.audience, c.touchpoint.received_at) for c in found if "@" in c.touchpoint.message_id
    ]


def expected(touchpoints: list[Touchpoint]) -> list[tuple[str, str, str, int]]:
    """(audience, change, reason, at) of one person, worked out naively at every instant at which anything could be."""
    found, inside, done = list[tuple[str, str, str, int]](), set[str](), list[Touchpoint]()

    def judge(now: int, reason: str) -> None:
        nonlocal inside
        new = audiences(done, now)
        found.extend((name, "exited", reason, now) for name in sorted(inside - new))
        found.extend((name, "entered", reason, now) for name in sorted(new - inside))
        inside = new

    def go_on(start: int, until: int) -> None:
        for instant in sorted({one.timestamp + after for one in done for after in INSTANTS}):
            if start < instant <= until:
                judge(instant, "time")

    at = 0
    for one in touchpoints:
        go_on(at, one.received_at)
        done.append(one)
        at = one.received_at
        judge(at, "touchpoint")
    go_on(at, FOREVER)
    return found


def test_the_sequence_is_the_naive_one_for_every_cut_into_frames() -> None:
    hit: Counter[str] = Counter()

    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, 2**32), st.data())
    def holds(seed: int, data: st.DataObject) -> None:
        touchpoints = history(seed)
        cuts = data.draw(st.sets(st.integers(1, len(touchpoints))))
        found = told(run(touchpoints, cuts))
        for anchor in {one.anchor for one in touchpoints}:
            theirs = [one for one in touchpoints if one.anchor == anchor]
            changes = [(name, change, why, at) for name, change, why, _, at in found[profile_id("main", anchor)]]
            assert changes == expected(theirs)
            hit.update(why for _, _, why, _ in changes)
        assert found == told(run(touchpoints, set())) == told(run(touchpoints, set(range(len(touchpoints)))))

    holds()
    assert min(hit["time"], hit["touchpoint"]) > 50, hit


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.data())
def test_people_with_several_identifiers_come_to_the_same_documents_at_the_same_time(
    seed: int, data: st.DataObject
) -> None:
    touchpoints = history(seed, anchors=2)
    until = data.draw(st.sampled_from([touchpoints[-1].received_at + one for one in INSTANTS]))
    cuts = data.draw(st.sets(st.integers(1, len(touchpoints))))
    calm, rough = run(touchpoints, set(), until), run(touchpoints, cuts, until)
    for stages in (calm, rough):
        for owner, person in stages.persons().items():
            profile = document(person, EVERY)
            assert plain(profile) == plain(document(person, EVERY, now=None))
            if owner in stages.newest():
                assert profile == stages.newest()[owner]
                read = document(person, EVERY, now=max(until, person.at))
                assert read.audiences == profile.audiences
    documents = [{o: plain(p) for o, p in stages.newest().items() if not p.deleted} for stages in (calm, rough)]
    assert documents[0] == documents[1]
    for stages in (calm, rough):
        alternate(stages)


def alternate(stages: Stages) -> None:
    """Nobody enters or exits twice in a row, and who is inside is who the profile says."""
    inside: set[tuple[str, str]] = set()
    for owner, changes in told(stages).items():
        for audience, change, *_ in changes:
            assert ((owner, audience) in inside) == (change == "exited")
            inside ^= {(owner, audience)}
    for owner, person in stages.persons().items():
        assert {audience for who, audience in inside if who == owner} == set(person.inside)


def test_an_abandoned_checkout_is_noticed_an_hour_later_and_is_its_own_cause() -> None:
    stages = Stages(ABANDONED, triggers=()).arrive(touchpoint("m1", U, event="Checkout"))
    assert stages.wait(NOON + HOUR - 1).changes() == [(U, "week", "entered", "touchpoint", "m1")]
    stages.wait(NOON + HOUR)
    (cause,) = [cause for cause in stages.published["causes"] if cause.audience == "abandoned"]
    struck: Touchpoint = cause.touchpoint
    assert (struck.message_id, struck.anchor, struck.event) == (f"m1@{NOON + HOUR}", U, "")
    assert {struck.timestamp, struck.received_at, struck.evidence_at} == {NOON + HOUR}
    assert (struck.source, struck.channel, struck.trust, struck.restored) == ("rapport", "server", "server", False)
    assert cause.profile.audiences == ("abandoned", "week")
    assert facts(cause.profile).left("Checkout", "Order", HOUR) and facts(cause.profile).count("Checkout", 7 * DAY) == 1
    stages.wait(NOON + 7 * DAY)
    assert stages.changes()[-1] == (U, "week", "exited", "time", f"m1@{NOON + 7 * DAY}")
    assert stages.profile(U).audiences == ("abandoned",)


def test_whoever_orders_in_time_is_never_noticed() -> None:
    stages = Stages(ABANDONED).arrive(touchpoint("m1", U, event="Checkout"))
    stages.arrive(touchpoint("m2", U, event="Order", at=NOON + HOUR - 1)).wait(FOREVER)
    assert not [one for one in stages.changes() if one[1] == "abandoned"]


def test_the_published_document_never_says_what_time_changes_and_the_one_read_now_does() -> None:
    stages = Stages(ABANDONED).arrive(touchpoint("m1", U, event="Checkout"))
    published, (person,) = stages.profile(U), stages.persons().values()
    assert bytes(published.computed) == bytes(published.events) == b"{}"  # type: ignore[call-overload]
    read = document(person, ABANDONED, now=NOON + 3 * DAY)
    assert bytes(read.computed) == b'{"idle":3,"today":0}'  # type: ignore[call-overload]
    assert read.audiences == ("abandoned", "week")
    assert document(person, ABANDONED, now=NOON).audiences == ("week",)


def test_a_merge_keeps_what_was_noticed_and_notices_the_rest_once() -> None:
    """The send key is made of the cause, which is the same whoever the checkout belongs to."""
    stages = Stages(ABANDONED, triggers=()).arrive(touchpoint("m1", A, event="Checkout"))
    stages.arrive(touchpoint("m2", U, event="Seen", at=NOON + 1)).wait(NOON + 30 * MINUTE)
    stages.arrive(touchpoint("login", U, A, event="Seen", at=NOON + 30 * MINUTE)).wait(FOREVER)
    assert causes(stages) == [(f"m1@{NOON + HOUR}", "abandoned", NOON + HOUR)]
    later = Stages(ABANDONED, triggers=()).arrive(touchpoint("m1", A, event="Checkout"))
    later.arrive(touchpoint("m2", U, event="Seen", at=NOON + 1)).wait(NOON + 2 * HOUR)
    later.arrive(touchpoint("login", U, A, event="Seen", at=NOON + 2 * HOUR)).wait(FOREVER)
    assert set(causes(later)) == set(causes(stages))


def test_a_merge_brings_the_wake_up_along() -> None:
    stages = Stages(ABANDONED, triggers=()).arrive(touchpoint("m0", A, event="Seen", at=NOON - 1))
    stages.arrive(touchpoint("m1", U, event="Checkout"))
    stages.arrive(touchpoint("login", U, A, event="Seen", at=NOON + 2)).wait(FOREVER)
    assert [one for one in stages.changes() if one[1] == "abandoned"] == [
        (A, "abandoned", "entered", "time", f"m1@{NOON + HOUR}")
    ]
    (cause,) = [cause for cause in stages.published["causes"] if cause.audience == "abandoned"]
    assert (cause.anchor, cause.profile_id) == (U, profile_id("main", A))


def test_waking_twice_or_somebody_who_is_gone_is_harmless() -> None:
    stages = Stages(ABANDONED).arrive(touchpoint("m0", A, event="Seen", at=NOON - 1))
    stages.arrive(touchpoint("m1", U, event="Checkout"))
    wakeups = set(stages.wakeups)
    stages.arrive(touchpoint("login", U, A, event="Seen", at=NOON + 2)).wait(NOON + HOUR)
    told_before = list(stages.published["audience-changes"])
    stages.wakeups |= wakeups
    stages.wait(NOON + HOUR)
    assert stages.published["audience-changes"] == told_before


def test_an_edited_window_makes_nobody_enter_and_counts_from_then_on() -> None:
    stages = Stages(ABANDONED).arrive(
        touchpoint("m1", U, event="Checkout"), touchpoint("m2", U, event="Seen", at=NOON + 1)
    )
    shorter = Audience(name="abandoned", who={"did": "Checkout", "then_not": "Order", "within": "1m"})
    after = Stages(Definitions(ABANDONED.traits, [shorter]), triggers=())
    after.stores, after.wakeups, after.now = stages.stores, stages.wakeups, stages.now
    after.arrive(touchpoint("m3", U, event="Seen", at=NOON + 30 * MINUTE)).wait(FOREVER)
    assert after.profile(U).audiences == ("abandoned",)
    assert not after.causes()
    after.arrive(touchpoint("m4", U, event="Checkout", at=NOON + 3 * DAY)).wait(FOREVER)
    assert causes(after) == [(f"m4@{NOON + 3 * DAY + MINUTE}", "abandoned", NOON + 3 * DAY + MINUTE)]


def test_what_fell_due_before_a_restore_or_a_rebuild_counts_as_restored_and_what_does_after_does_not() -> None:
    first, second = (
        touchpoint("m1", U, event="Checkout", restored=True),
        touchpoint("m2", "user_id:2", event="Checkout"),
    )
    restored = Stages(ABANDONED, triggers=())
    restored.now = NOON + 2 * HOUR  # the log's time when the restored one comes
    restored.arrive(first).arrive(touchpoint("m3", "user_id:2", event="Checkout", at=NOON + 2 * HOUR, restored=True))
    rebuilt = Stages(ABANDONED, triggers=(), past=NOON + 2 * HOUR)
    rebuilt.arrive(first, second).arrive(touchpoint("m3", "user_id:3", event="Checkout", at=NOON + 90 * MINUTE))
    for stages in (restored, rebuilt):
        found: list[Cause] = stages.wait(FOREVER).published["causes"]
        late = {c.touchpoint.message_id: c.touchpoint.restored for c in found if c.audience == "abandoned"}
        assert {due.partition("@")[0]: restored for due, restored in late.items()} == (
            {"m1": True, "m3": False} if stages is restored else {"m1": True, "m2": True, "m3": False}
        )


def test_a_message_id_as_long_as_can_be_makes_a_cause_that_can_be_read() -> None:
    stages = Stages(ABANDONED, triggers=()).arrive(touchpoint("m" * 256, U, event="Checkout")).wait(FOREVER)
    ((message_id, _, _),) = causes(stages)
    assert len(message_id) <= 256 and message_id.endswith(f"@{NOON + HOUR}")


def test_one_wake_up_at_a_time_is_set_for_a_person() -> None:
    stages = Stages(ABANDONED)
    for n in range(50):
        stages.arrive(touchpoint(f"m{n}", U, event="Checkout", at=NOON + n))
    assert len(stages.wakeups) == 1
