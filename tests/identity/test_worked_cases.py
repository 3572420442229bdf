"""The worked cases of the identity page. Each holds for every order of processing, and of arrival."""

from collections.abc import Iterator
from itertools import islice, permutations
from random import Random

import pytest

from schemas.identifiers import profile_id
from services.identifiers import DEFAULT_RULES, IdentifierType, IdentityRules
from tests.identity.identity_stage import WORKSPACE, Seen, Stage, rules_of

DAY = 86_400_000
NOBODY = DEFAULT_RULES.model_copy(
    update={
        "types": {
            **DEFAULT_RULES.types,
            "anonymous_id": IdentifierType(priority=100, limit=50, on_conflict="nobody"),
        }
    }
)


def at(*events: str) -> list[Seen]:
    """Touchpoints in the order of their time, each written as its identifiers: "a1 u1"."""
    names = {"a": "anonymous_id:", "u": "user_id:", "j": "email:"}
    return [
        Seen(tuple(names[word[0]] + word for word in event.split()), n, n, message_id=f"m{n}")
        for n, event in enumerate(events, 1)
    ]


def orders(history: list[Seen]) -> Iterator[list[Seen]]:
    """Every order of a short history, some of a long one."""
    if len(history) <= 5:
        yield from (list(order) for order in permutations(history))
    else:
        yield from (Random(seed).sample(history, len(history)) for seed in range(6))


def named(people: set[frozenset[str]]) -> set[str]:
    return {" ".join(sorted(i.split(":")[1] for i in members)) for members in people}


SHARED_TABLET = at("a1", "a1 u1", "a1", "a1 u2", "a1", "a1 u3", "a1")
FIFTY_AND_TEN = at(*(f"u1 a{n:02}" for n in range(60)))
CASES = {
    "a second user on an anonymous id is a second person": (at("a1 u1", "a1", "a1 u2"), {"a1 u1", "u2"}),
    "an address stays with the user who had it first": (
        at("uabc123 jane@x.cn", "uabc456 jane@x.cn"),
        {"jane@x.cn uabc123", "uabc456"},
    ),
    "two devices of one user": (at("a1", "a3 u1 jdemo@x.cn", "a1 u1 jdemo@x.cn"), {"a1 a3 jdemo@x.cn u1"}),
    "anonymous, then known": (at("a123", "u123 a123"), {"a123 u123"}),
    "a shared tablet belongs to its first user": (SHARED_TABLET, {"a1 u1", "u2", "u3"}),
    "fifty anonymous ids of sixty": (
        FIFTY_AND_TEN,
        {" ".join(f"a{n:02}" for n in range(50)) + " u1", *(f"a{n}" for n in range(50, 60))},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_order_of_processing_gives_these_people_and_the_same_ids(case: str) -> None:
    history, expected = CASES[case]
    straight = Stage(DEFAULT_RULES).run(history)
    assert named(straight.people()) == expected
    for order in orders(history):
        stage = Stage(DEFAULT_RULES).run(order + order[:2])
        assert stage.owners() == straight.owners()
        assert stage.refused() == straight.refused()


@pytest.mark.parametrize("case", CASES)
def test_trusted_timestamps_give_the_same_people_in_every_order_of_arrival(case: str) -> None:
    history, expected = CASES[case]
    for order in orders(history):
        arrived = [seen._replace(received_at=1_000 + n) for n, seen in enumerate(order)]
        assert named(Stage(DEFAULT_RULES).run(arrived).people()) == expected


def test_the_refused_link_says_which_rule_refused_it() -> None:
    stage = Stage(DEFAULT_RULES).run(at("a1 u1", "a1", "a1 u2"))
    assert stage.refused() == {("anonymous_id:a1", "user_id:u2"): "user_id limit 1"}
    stage = Stage(DEFAULT_RULES).run(FIFTY_AND_TEN)
    assert stage.refused() == {
        (f"anonymous_id:a{n}", "user_id:u1"): "anonymous_id limit 50" for n in range(50, 60)
    }  # fmt: skip


def test_a_shared_tablet_may_belong_to_nobody() -> None:
    for order in orders(SHARED_TABLET):
        stage = Stage(NOBODY).run(order)
        assert named(stage.people()) == {"a1", "u1", "u2", "u3"}
        assert set(stage.refused()) == {("anonymous_id:a1", f"user_id:u{n}") for n in (1, 2, 3)}


def test_logging_in_keeps_the_profile_id() -> None:
    page, track = at("a123", "u123 a123")
    stage = Stage(DEFAULT_RULES).run([page])
    before = stage.owners()["anonymous_id:a123"]
    assert set(stage.run([track]).owners().values()) == {before}


def test_a_browser_cannot_steal_an_anonymous_id_by_backdating() -> None:
    """The collector clamps evidence_at to 24 hours before received_at; a1 has been u1's for longer than that."""
    established = Seen(("anonymous_id:a1", "user_id:u1"), 10 * DAY, 10 * DAY, message_id="m1")
    dated_2001 = Seen(("anonymous_id:a1", "user_id:u9"), 20 * DAY - DAY, 20 * DAY, message_id="m2")
    for order in orders([established, dated_2001]):
        assert named(Stage(DEFAULT_RULES).run(order).people()) == {"a1 u1", "u9"}


def test_when_two_people_become_one_the_id_received_first_wins_and_the_other_leads_there() -> None:
    stage = Stage(DEFAULT_RULES).run(at("u1 a1", "jane@x.cn a2", "u1 jane@x.cn"))
    first, other = profile_id(WORKSPACE, "user_id:u1"), profile_id(WORKSPACE, "email:jane@x.cn")
    assert set(stage.owners().values()) == {first}
    assert stage.look_up(other) == stage.look_up(first) == first
    again = stage.run([Seen(("email:jold@x.cn",), 0, 0), Seen(("user_id:u1", "email:jold@x.cn"), 9, 9)])
    oldest = profile_id(WORKSPACE, "email:jold@x.cn")
    assert {again.look_up(i) for i in (first, other, oldest)} == {oldest}, "one get, however many merges"


def test_a_late_older_event_keeps_the_profile_id() -> None:
    """The id goes by when an identifier was received, not by what time the event bears."""
    stage = Stage(DEFAULT_RULES).run([Seen(("anonymous_id:a1",), 100, 100)])
    stage.run([Seen(("user_id:u1", "anonymous_id:a1"), 5, 200)])
    assert set(stage.owners().values()) == {profile_id(WORKSPACE, "anonymous_id:a1")}


def test_the_strongest_exceeded_limit_is_named() -> None:
    rules = rules_of(user_id=1, email=1)
    history = [
        Seen(("user_id:u1", "email:j1@x.cn"), 1, 1),
        Seen(("user_id:u2", "email:j2@x.cn"), 2, 2),
        Seen(("user_id:u1", "email:j2@x.cn"), 3, 3),
    ]
    assert set(Stage(rules).run(history).refused().values()) == {"user_id limit 1"}


def test_an_identifier_whose_type_has_no_rule_any_more_joins_nobody() -> None:
    rules = IdentityRules(types={"user_id": IdentifierType(priority=1, limit=1)})
    stage = Stage(rules).run([Seen(("user_id:u1", "gone:g1"), 1, 1)])
    assert len(stage.people()) == 2
    assert stage.refused() == {("gone:g1", "user_id:u1"): "gone limit 0"}


def test_the_cases_are_run_in_more_than_one_order() -> None:
    assert all(len(list(islice(orders(history), 2))) == 2 for history, _ in CASES.values())
