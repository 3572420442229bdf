"""Accounts: what people do for a company is the company's, once, whoever turns out to be whom and in whatever order."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import fast
from schemas.fast import Profile, Touchpoint
from schemas.identifiers import account_id
from services.identifiers.rules import IdentifierType, IdentityRules
from services.profile.definitions import Definitions, Trait
from tests.profile.profile_stages import DEFINITIONS, NOON, WORKSPACE, Stages, touchpoint

OF_ACCOUNTS = Definitions(
    traits=[
        *DEFINITIONS.traits,
        Trait(name="seats_used", event="Seat Used", distinct="seat", of="account"),
        Trait(name="ordered", event="Order", sum="total", of="account"),
    ],
    audiences=DEFINITIONS.audiences,
)


def group(message_id: str, who: str, account: str, at: int = NOON, **traits: Any) -> Touchpoint:
    call = touchpoint(message_id, who, at=at, traits=traits, group_id=account)
    fields = {name: getattr(call, name) for name in call.__struct_fields__}
    return Touchpoint(**(fields | {"type": "group", "event": ""}))


def account(stages: Stages, name: str) -> Profile:
    (found,) = [one for one in newest(stages).values() if one.identifiers == (f"account:{name}",)]
    return found


def newest(stages: Stages) -> dict[str, Profile]:
    return {one.profile_id: one for one in stages.published["accounts"]}


def told(profile: Profile) -> dict[str, Any]:
    return {name: said["value"] for name, said in fast.loads(profile.traits).items()}


def test_a_group_call_makes_an_account_with_its_own_traits_and_the_person_belongs_to_it() -> None:
    stages = Stages(OF_ACCOUNTS).arrive(group("g1", "user_id:ann", "acme", plan="pro", employees=40))
    found = account(stages, "acme")
    assert (found.kind, found.profile_id) == ("account", account_id(WORKSPACE, "acme"))
    assert told(found) == {"plan": "pro", "employees": 40}
    ann = stages.profile("user_id:ann")
    assert (ann.kind, ann.accounts) == ("person", ("acme",))
    assert told(ann) == {}


def test_what_its_people_do_for_it_is_computed_for_the_account_and_for_each_of_them() -> None:
    stages = Stages(OF_ACCOUNTS).arrive(
        touchpoint("o1", "user_id:ann", group_id="acme", properties={"total": 10}),
        touchpoint("o2", "user_id:bob", group_id="acme", properties={"total": 5.5}),
        touchpoint("o3", "user_id:bob", properties={"total": 100}),
        touchpoint("s1", "user_id:bob", event="Seat Used", group_id="acme", properties={"seat": "a"}),
        touchpoint("s2", "user_id:ann", event="Seat Used", group_id="acme", properties={"seat": "b"}),
    )
    assert fast.loads(account(stages, "acme").computed) == {"ordered": 15.5, "seats_used": 2}
    assert account(stages, "acme").touchpoints == 4
    assert fast.loads(stages.profile("user_id:bob").computed)["spent"] == 105.5
    assert "seats_used" not in fast.loads(stages.profile("user_id:bob").computed)


def test_the_account_that_was_last_acted_for_comes_first() -> None:
    stages = Stages(OF_ACCOUNTS).arrive(
        group("g1", "user_id:ann", "acme", at=NOON), group("g2", "user_id:ann", "globex", at=NOON + 1)
    )
    assert stages.profile("user_id:ann").accounts == ("globex", "acme")
    stages.arrive(group("g3", "user_id:ann", "acme", at=NOON + 2))
    assert stages.profile("user_id:ann").accounts == ("acme", "globex")


def test_a_merge_takes_accounts_along_and_changes_nothing_of_them() -> None:
    stages = Stages(OF_ACCOUNTS).arrive(
        group("g1", "anonymous_id:a", "acme"), touchpoint("o1", "anonymous_id:a", group_id="acme")
    )
    before = account(stages, "acme")
    stages.arrive(touchpoint("l1", "user_id:ann", "anonymous_id:a", event="identify", at=NOON + 1))
    assert account(stages, "acme") == before
    assert stages.profile("user_id:ann").accounts == ("acme",)


acts = st.tuples(
    st.sampled_from(["user_id:ann", "user_id:bob", "anonymous_id:x"]),
    st.sampled_from(["acme", "globex", ""]),
    st.sampled_from(["group", "Order", "Seat Used"]),
    st.integers(0, 5),
)


def history(some: list[tuple[str, str, str, int]]) -> list[Touchpoint]:
    found = []
    for number, (who, name, event, n) in enumerate(some):
        if event == "group":
            found.append(group(f"m{number}", who, name or "acme", at=NOON + n, plan=f"plan{n % 3}"))
        else:
            properties = {"total": n / 10, "seat": f"s{n}"}
            found.append(touchpoint(f"m{number}", who, event=event, at=NOON + n, group_id=name, properties=properties))
    return found


@settings(deadline=None)
@given(st.lists(acts, min_size=1, max_size=25), st.randoms(use_true_random=False), st.integers(1, 7))
def test_accounts_are_a_function_of_the_touchpoints(
    some: list[tuple[str, str, str, int]], draw: random.Random, most: int
) -> None:
    """Law 1: another order, repetitions and other frames change nothing but versions."""
    straight = Stages(OF_ACCOUNTS).arrive(*history(some))
    shuffled = [*history(some), *history(some[: len(some) // 2])]
    draw.shuffle(shuffled)
    rough = Stages(OF_ACCOUNTS)
    while shuffled:
        size = draw.randint(1, 5)
        rough.arrive(*shuffled[:size], most=most)
        shuffled = shuffled[size:]

    def seen(stages: Stages) -> dict[str, dict[str, Any]]:
        documents = {**stages.newest(), **newest(stages)}
        return {
            key: {field: getattr(one, field) for field in one.__struct_fields__ if field != "version"}
            for key, one in documents.items()
        }

    assert seen(straight) == seen(rough)


def test_what_is_handed_on_twice_counts_once() -> None:
    stages = Stages(OF_ACCOUNTS).arrive(touchpoint("o1", "user_id:ann", group_id="acme", properties={"total": 3}))
    before = account(stages, "acme")
    stages.handle("accounts", "contributions", stages.published["contributions"])
    assert account(stages, "acme") == before


@pytest.mark.parametrize("time", [{"within": "7d"}, {"count": None, "days_since": True}])
def test_a_trait_of_an_account_does_not_depend_on_time(time: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="does not depend on time"):
        Trait.model_validate({"name": "x", "event": "E", "count": True, "of": "account"} | time)


def test_no_identifier_of_a_person_can_be_taken_for_an_account() -> None:
    with pytest.raises(ValidationError, match="the type that accounts go by"):
        IdentityRules(types={"account": IdentifierType(priority=1, limit=1)})
