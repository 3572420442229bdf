"""A back-fill of the stages, bit by bit over cells of older definitions, makes what a replay by the new ones makes."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.fast import Touchpoint
from services.conditions.subject import event_name
from services.profile import fill
from services.profile.accounts import Accounts
from services.profile.assemble import Assemble
from services.profile.definitions import Definitions, Trait
from services.profile.fold import Fold
from tests.profile.profile_stages import DEFINITIONS, NOON, Stages, plain, touchpoint
from tests.profile.test_accounts import acts, history, newest

OLD = Definitions(
    traits=[
        Trait(name="orders", event="Order", count=True),
        Trait(name="ordered", event="Order", sum="total", of="account"),
        Trait(name="former", event="Order", count=True, of="account"),
    ]
)
NEW = Definitions(
    traits=[
        *DEFINITIONS.traits,
        Trait(name="ordered", event="Order", sum="total", of="account"),
        Trait(name="seats_used", event="Seat Used", distinct="seat", of="account"),
        Trait(name="usual", event="Seat Used", most_frequent="seat", of="account"),
        Trait(name="largest", event="Order", max="total", of="account", where={"property": "total", "lt": 0.4}),
        Trait(name="first_seats", event="Seat Used", unique="seat", of="account"),
    ],
    audiences=DEFINITIONS.audiences,
)


def changed(stages: Stages, definitions: Definitions) -> None:
    """The platform starts again with another configuration."""
    stages.definitions = definitions
    for stage in (Fold(definitions), Assemble(definitions), Accounts(definitions)):
        stages.stages[stage.name] = stage


def filled(stages: Stages, touchpoints: list[Touchpoint], lacking: set[str]) -> None:
    """One step of a back-fill."""
    found = fill.fills(((one, lacking) for one in touchpoints), stages.definitions)
    for stage, fills in found.items():
        stages.handle(stage, fill.TOPIC, fills)
    stages.arrive()


def looked_at(stages: Stages) -> None:
    """Everybody, at the end."""
    for stage in ("assemble", "accounts"):
        stages.handle(stage, fill.JUDGED, [fill.Judged(key) for key in stages.stores[stage] if "@" not in key])


def documents(stages: Stages) -> dict[str, bytes]:
    return {key: plain(one) for key, one in ({**stages.newest(), **newest(stages)}).items()}


def counted(stages: Stages) -> tuple[int, dict[str, Any]]:
    """How many touchpoints were handed on, and the number that each anchor has of them."""
    anchors = {key: one.n for key, one in stages.records("fold").items() if hasattr(one, "n")}
    known = {key: one.n for key, one in stages.records("accounts").items() if "@" in key}
    return len(stages.published["contributions"]), anchors | known


@settings(deadline=None)
@given(st.lists(acts, min_size=1, max_size=20), st.integers(0, 20), st.randoms(use_true_random=False))
def test_what_is_filled_in_is_what_a_replay_makes(
    some: list[tuple[str, str, str, int]], merged: int, draw: random.Random
) -> None:
    whole = history(some)
    whole.insert(merged, touchpoint("merge", "user_id:ann", "anonymous_id:x", event="identify", at=NOON + 3))
    cut = draw.randint(0, len(whole))
    before, after = whole[:cut], whole[cut:]
    stages = Stages(OLD).arrive(*before, *draw.sample(before, len(before) // 2))
    changed(stages, NEW)
    lacking = set(fill.keys(NEW)) - set(fill.keys(OLD))
    events = {fill.keys(NEW)[key] for key in lacking}
    archived = sorted((one for one in before if event_name(one) in events), key=lambda one: (one.anchor, one.timestamp))
    while archived:
        size = draw.randint(1, 6)
        numbers = counted(stages)
        filled(stages, archived[:size], lacking)
        assert counted(stages) == numbers
        archived = archived[size:]
        if after and draw.random() < 0.5:
            stages.arrive(after.pop(0), *before[:1])
    stages.arrive(*after)
    looked_at(stages)
    assert documents(stages) == documents(Stages(NEW).arrive(*whole))


def test_traits_of_a_person_and_of_an_account_are_told_apart_even_when_one_becomes_the_other() -> None:
    of = [Definitions([Trait(name="x", event="E", count=True, of=who)]) for who in ("person", "account")]
    person, account = map(fill.keys, of)
    assert not set(person) & set(account)
    assert {fill.name_of(key) for key in [*person, *account]} == {"x"}
