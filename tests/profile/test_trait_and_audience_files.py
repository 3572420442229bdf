"""What may stand in a file as a computed trait or an audience."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.conditions.tree import AllOf
from services.errors import ConfigError
from services.profile.add import add
from services.profile.cell import Cell
from services.profile.definitions import MOST, Audience, Definitions, Trait
from services.profile.view import View
from tests.profile.profile_stages import touchpoint

ORDERS = {"name": "orders", "event": "Order", "count": True}


@pytest.mark.parametrize(
    ("model", "given", "words"),
    [
        (Trait, {"name": "x", "event": "Order"}, "exactly one of `count: true`"),
        (Trait, {**ORDERS, "sum": "total"}, "exactly one of `count: true`"),
        (Trait, {**ORDERS, "where": {"trait": "city", "is": "Ulm"}}, "use `property:`"),
        (Trait, {**ORDERS, "name": "Orders!"}, "should match pattern"),
        (Trait, {**ORDERS, "count": False}, "should be True"),
        (Audience, {"name": "a", "who": {"property": "total", "gt": 1}}, "not at one event"),
        (Audience, {"name": "a", "who": {"any": []}}, "at least 1 item"),
        (Trait, {**ORDERS, "average": "total"}, "`most_frequent: <property>`"),
        (Trait, {"name": "x", "event": "Order", "days_since": True, "within": "7d"}, "leave `within` out"),
        (Trait, {**ORDERS, "within": "30s"}, "from 1m to 400d"),
        (Trait, {**ORDERS, "within": 7}, "a whole number and s, m, h or d"),
        (Audience, {"name": "a", "who": {"account": "plan", "is": "pro"}}, "`account:` is for the `if` of a rule"),
        (Audience, {"name": "a", "who": {"did": "A", "then_not": "A", "within": "1h"}}, "two different events"),
        (Audience, {"name": "a", "who": {"event": "A", "at_least": 501, "within": "1h"}}, "at most 500"),
    ],
)
def test_a_wrong_definition_is_told_how(model: Any, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        model.model_validate(given)


def test_a_fingerprint_changes_with_the_meaning_and_not_with_the_title() -> None:
    who = [{"trait": "x", "is": value} for value in (1, "1", True, 1.5)]
    audiences = [Audience(name="a", title=f"{n}", who=condition) for n, condition in enumerate(who)]
    assert len({audience.fingerprint for audience in audiences}) == len(who)
    assert Audience(name="a", title="other", who=who[0]).fingerprint == audiences[0].fingerprint
    wheres = [{"property": "x", "gt": 1}, {"property": "x", "gte": 1}, {"not": {"property": "x", "gt": 1}}]
    assert len({Trait(**ORDERS, where=where).fingerprint for where in wheres}) == len(wheres)


def test_audiences_that_ask_for_each_other_in_a_circle_or_for_nobody_are_told_by_name() -> None:
    def asks(name: str, *others: str) -> Audience:
        return Audience(name=name, who={"all": [{"audience": other} for other in others]})

    with pytest.raises(ConfigError, match=r"in a circle: (a → b → c → a|b → c → a → b|c → a → b → c)"):
        Definitions(audiences=[asks("a", "b"), asks("b", "c"), asks("c", "a")])
    with pytest.raises(ConfigError, match="in a circle: a → a"):
        Definitions(audiences=[asks("a", "a")])
    with pytest.raises(ConfigError, match="`a` asks for `b`, which is not there"):
        Definitions(audiences=[asks("a", "b")])


def test_a_chain_of_audiences_is_worked_out_in_its_order_whatever_their_names() -> None:
    chain = [Audience(name=f"a{n:03}", who={"audience": f"a{n + 1:03}"}) for n in range(150)]
    definitions = Definitions(audiences=[*chain, Audience(name="a150", who={"event": "Order"})])
    cell = add(Cell(), touchpoint("m1", "user_id:1"), definitions)
    assert len(View(cell, definitions, 0).audiences) == 151


def test_names_are_unique_and_definitions_bounded() -> None:
    with pytest.raises(ConfigError, match="`orders` is defined more than once"):
        Definitions([Trait(**ORDERS), Trait(**ORDERS)])
    with pytest.raises(ConfigError, match="at most 200"):
        Definitions([Trait(**{**ORDERS, "name": f"t{n}"}) for n in range(MOST + 1)])


def test_events_are_counted_for_audiences_and_for_whoever_else_asks() -> None:
    audience = Audience(name="a", who={"not": {"event": "Order"}})
    assert Definitions(audiences=[audience], conditions=[AllOf(all=[{"event": "page"}])]).events == {"Order", "page"}


def test_the_fingerprint_of_all_definitions_changes_with_each_of_them() -> None:
    audience = Audience(name="a", who={"trait": "orders", "gte": 2})
    trait, other = Trait(**ORDERS), Trait(**{**ORDERS, "event": "Other"})
    found = [Definitions([trait], [audience]), Definitions([other], [audience]), Definitions([trait])]
    found.append(Definitions([trait], [audience], conditions=[AllOf(all=[{"event": "Seen"}])]))
    assert len({one.fingerprint for one in found}) == len(found)
    assert Definitions([trait], [audience]).fingerprint == found[0].fingerprint
