"""What may stand in a file as a computed trait or an audience."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.conditions.tree import AllOf
from services.errors import ConfigError
from services.profile.definitions import MOST, Audience, Definitions, Trait

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
