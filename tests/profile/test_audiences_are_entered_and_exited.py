"""Entering and exiting: by touchpoints, by merges, by splits; each entry has one cause, and only real ones have any."""

import msgspec

from schemas import fast
from schemas.fast import CellMessage
from schemas.identifiers import profile_id
from services.profile.definitions import Audience, Definitions
from tests.profile.profile_stages import DEFINITIONS, NOON, Stages, order, touchpoint

A, U, E = "anonymous_id:a", "user_id:1", "email:a@x.io"
DAY = 24 * 3_600_000


def entries(stages: Stages) -> list[tuple[str, str]]:
    return [cause for cause in stages.causes() if cause[1]]


def test_the_touchpoint_that_makes_a_person_enter_is_the_cause_and_later_ones_are_not() -> None:
    stages = Stages(triggers=())
    stages.arrive(*[order(f"m{n}", U) for n in range(4)])
    assert stages.changes() == [
        (U, "buyers", "entered", "touchpoint", "m1"),
        (U, "spenders", "entered", "touchpoint", "m2"),
    ]
    assert stages.causes() == [("m1", "buyers"), ("m2", "spenders")]


def test_a_touchpoint_can_make_a_person_exit() -> None:
    stages = Stages().arrive(touchpoint("m1", U, event="page"), order("m2", U))
    assert stages.changes() == [
        (U, "lookers", "entered", "touchpoint", "m1"),
        (U, "lookers", "exited", "touchpoint", "m2"),
    ]
    assert stages.profile(U).audiences == ()


def test_a_log_in_that_joins_two_histories_enters_once_and_is_the_cause() -> None:
    for most in (1, 1_000):
        stages = Stages(triggers=())
        stages.arrive(order("m1", A), most=most)
        stages.arrive(order("m2", U), most=most)
        assert not stages.causes()
        stages.arrive(touchpoint("login", U, A, event="Signed In", at=NOON + 1), most=most)
        assert stages.causes() == [("login", "buyers")]
        stages.arrive(touchpoint("later", U, event="Signed In", at=NOON + 2), most=most)
        assert stages.causes() == [("login", "buyers")]
        assert stages.profile(A).audiences == ("buyers",)


def test_the_cause_carries_the_person_with_the_anonymous_past() -> None:
    stages = Stages(triggers=["Signed In"])
    stages.arrive(order("m1", A), touchpoint("login", U, A, event="Signed In", at=NOON + 1))
    (cause,) = stages.published["causes"]
    assert (cause.touchpoint.message_id, cause.audience, cause.profile.touchpoints) == ("login", "", 2)
    assert cause.profile.identifiers == (A, U)


def test_audiences_that_the_absorbed_person_was_in_are_merged_and_start_nothing() -> None:
    stages = Stages(triggers=())
    stages.arrive(touchpoint("visit", A, event="Signed In"))
    stages.arrive(*[order(f"m{n}", U, at=NOON + 1) for n in range(2)])
    stages.published["causes"].clear()
    stages.arrive(touchpoint("login", U, A, event="Signed In", at=NOON + 2))
    merged = [change for change in stages.changes() if change[3] == "merged"]
    assert merged == [(U, "buyers", "exited", "merged", "login"), (A, "buyers", "entered", "merged", "login")]
    assert not stages.causes()


def test_what_only_several_cells_of_the_absorbed_person_make_up_is_merged_too() -> None:
    stages = Stages(triggers=())
    stages.arrive(touchpoint("visit", A, event="Signed In"))
    stages.arrive(order("m1", U, E, at=NOON + 1), order("m2", E, at=NOON + 2))
    assert entries(stages) == [("m2", "buyers")]
    stages.arrive(touchpoint("login", U, A, event="Signed In", at=NOON + 3))
    assert entries(stages) == [("m2", "buyers")]
    assert stages.profile(A).audiences == ("buyers",)


def test_a_merge_can_end_an_audience() -> None:
    stages = Stages().arrive(touchpoint("m1", A, event="page"))
    stages.arrive(order("m2", U, at=NOON + 1))
    stages.arrive(touchpoint("login", U, A, event="Signed In", at=NOON + 2))
    assert stages.changes() == [
        (A, "lookers", "entered", "touchpoint", "m1"),
        (A, "lookers", "exited", "merged", "login"),
    ]


def test_people_that_a_late_older_link_parts_are_split_without_a_cause() -> None:
    stages = Stages(triggers=())
    stages.arrive(order("m1", "user_id:2", at=NOON), order("m2", A, at=NOON))
    stages.arrive(touchpoint("login", "user_id:2", A, event="Signed In", at=NOON + 20))
    assert entries(stages) == [("login", "buyers")]
    stages.arrive(touchpoint("older", U, A, event="Signed In", at=NOON + 30, evidence_at=NOON + 10))
    assert [change for change in stages.changes() if change[3] == "split"]
    assert entries(stages) == [("login", "buyers")]
    assert stages.profile("user_id:2").audiences == stages.profile(U).audiences == ()


def test_absorbed_profiles_are_deleted_and_redirect_directly_to_the_present_owner() -> None:
    stages = Stages()
    stages.arrive(order("m1", "anonymous_id:b", at=NOON + 1))
    stages.arrive(order("m2", U, "anonymous_id:b", at=NOON + 2))
    stages.arrive(order("m3", A, at=NOON + 3, received_at=NOON))
    stages.arrive(touchpoint("m4", U, A, event="Signed In", at=NOON + 4))
    owner = stages.profile(A)
    assert owner.touchpoints == 4
    for former in ("anonymous_id:b", U):
        assert stages.profile(former) == owner


def test_a_refused_identifier_does_not_show_up_on_the_person() -> None:
    stages = Stages().arrive(order("m1", U, A), order("m2", "user_id:2", A, at=NOON + 1))
    assert stages.profile(U).identifiers == (A, U)
    assert stages.profile("user_id:2").identifiers == ("user_id:2",)


def test_an_identifier_that_names_its_person_is_known_though_it_never_moved() -> None:
    stages = Stages().arrive(order("m1", "user_id:1", "email:b@x.io"), order("m2", "user_id:1", "email:c@x.io"))
    stages.arrive(order("m3", "user_id:1", E, at=NOON + 1))  # refused: two addresses are the limit
    stages.arrive(order("m4", "user_id:3", at=NOON + 2), order("m5", "user_id:3", E, at=NOON + 3))
    assert stages.profile("user_id:3").profile_id == profile_id("main", E)
    assert stages.profile("user_id:3").identifiers == (E, "user_id:3")


def test_whoever_was_absorbed_enters_nothing_while_the_rest_of_them_is_on_its_way() -> None:
    stages = Stages(triggers=()).arrive(order("m1", U, E), order("m2", E, at=NOON + 1), order("m3", E, total=9))
    owner, new = profile_id("main", U), profile_id("main", A)
    gone = CellMessage(workspace="main", owner=owner, anchor=U, version=1, n=0, cell=None, cause="login", gone=new)
    stages.handle("assemble", "cells", [gone])
    stages.published["causes"].clear()
    late = next(m for m in stages.cells[::-1] if m.anchor == E)
    late = msgspec.structs.replace(late, n=late.n + 1, touchpoint=order("m4", E))
    stages.handle("assemble", "cells", [late])
    assert stages.changes()[-2:] == [
        (U, "buyers", "exited", "merged", "login"),
        (U, "spenders", "exited", "merged", "login"),
    ]
    assert not stages.causes()


def test_versions_grow_over_frames_and_generations() -> None:
    stages, next_generation = Stages(generation=1), Stages(generation=2)
    for n in range(3):
        stages.arrive(order(f"m{n}", U))
    next_generation.arrive(order("m0", U))
    versions = [p.version for p in [*stages.published["profiles"], *next_generation.published["profiles"]]]
    assert versions == sorted(set(versions))


def test_an_edited_audience_makes_nobody_enter_but_whoever_changes_from_then_on_does() -> None:
    stages = Stages(triggers=()).arrive(order("m1", U), order("m2", "user_id:2", total=9))
    edited = Audience(name="buyers", who={"trait": "orders", "gte": 1})
    rich = Audience(name="rich", who={"trait": "spent", "gte": 10})
    after = Stages(Definitions(DEFINITIONS.traits, [edited, rich]), triggers=())
    after.stores = stages.stores
    after.arrive(order("m3", U), order("m4", "user_id:2"), order("m5", "user_id:2"))
    assert after.profile(U).audiences == ("buyers",)
    assert not after.causes()
    after.arrive(order("m6", "user_id:2", total=1))
    assert after.causes() == [("m6", "rich")]


def test_the_published_document() -> None:
    stages = Stages()
    told = {"city": "Ulm", "gone": None, "consent": {"email": True, "sms": False}}
    stages.arrive(touchpoint("m1", U, event="identify", traits=told))
    stages.arrive(touchpoint("m2", U, A, at=NOON + DAY, properties={"total": 39.95, "product": "cd", "shop": "online"}))
    stages.arrive(order("m3", A, total="one", at=NOON + 2 * DAY))
    profile = stages.profile(U)
    assert fast.loads(profile.traits) == {"city": {"value": "Ulm", "at": NOON, "source": "web"}}
    assert bytes(profile.computed) == (  # type: ignore[call-overload]
        b'{"first_product":"cd","last_product":"cd","orders":2,"spent":39.95,"spent_online":39.95}'
    )
    assert fast.loads(profile.consent) == {"email": "granted", "sms": "denied"}
    assert fast.loads(profile.events) == {"Order": 2}
    assert profile.identifiers == (A, U)
    assert profile.audiences == ("buyers", "spenders")
    assert (profile.touchpoints, profile.first_seen, profile.last_seen) == (3, NOON, NOON + 2 * DAY)


def test_repeated_cells_change_nothing_and_cause_nothing() -> None:
    stages = Stages()
    stages.arrive(order("m1", A), order("m2", U, at=NOON + 1), touchpoint("login", U, A, event="page", at=NOON + 2))

    def told() -> dict[str, int]:
        """What is for others; a former owner may hand a touchpoint's cell on, which the present one has."""
        return {topic: len(messages) for topic, messages in stages.published.items() if topic != "cells"}

    before = told()
    for _ in range(2):
        stages.handle("assemble", "cells", list(stages.cells))
    assert told() == before
