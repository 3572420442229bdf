"""What may stand in a file as a condition, and what its writer is told when it may not."""

from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from services.conditions.tree import DEPTH, LEAVES, Node, Tree, uses

parse = TypeAdapter[Node](Tree).validate_python


def problems(condition: Any) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        parse(condition)
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


TREE = yaml.safe_load(
    """
    all:
      - {trait: lifetime_value, gte: 100.10}
      - any: [{event: Order Completed, at_least: 2}, {event: Signed In}]
      - not: {consent: email, is: denied}
      - {property: total, in: [1, two, 0.3]}
    """
)


def test_a_tree_names_the_leaves_it_uses() -> None:
    tree = parse(TREE)
    assert uses(tree) == {"trait", "event", "consent", "property"}


@pytest.mark.parametrize(
    ("condition", "loc", "words"),
    [
        ({"all": []}, ("all",), "at least 1 item"),
        ({"any": [{"all": []}]}, ("any", 0, "all"), "at least 1 item"),
        ({"not": {"event": "x", "at_leas": 1}}, ("not", "at_leas"), "not permitted"),
        ({"all": [{"trait": "x", "gt": True}]}, ("all", 0, "gt"), "neither greater nor smaller"),
        ({"trait": "x"}, (), "exactly one of is"),
        ({"trait": "x", "gt": 1, "lt": 2}, (), "list under `all`"),
        ({"trait": "x", "is": None}, ("is",), "exists: true"),
        ({"trait": "x", "is": [1]}, ("is",), "not list"),
        ({"trait": "x", "is": float("nan")}, ("is",), "expected a text, a number"),
        ({"trait": "x", "gte": yaml.safe_load("2024-01-31")}, ("gte",), '"2024-01-31"'),
        ({"trait": "x", "in": []}, ("in",), "at least 1 item"),
        ({"trait": "x", "exists": "yes"}, ("exists",), "valid boolean"),
        ({"consent": "email", "is": "yes"}, ("is",), "'granted', 'denied' or 'unknown'"),
        ({"event": "x", "at_least": 0}, ("at_least",), "greater than or equal to 1"),
        ({"event": "x", "trait": "y", "is": 1}, (), "this one has trait and event"),
        ({"trail": "x"}, (), "exactly one of all, any, not, trait, property, event, did, consent, audience, account"),
        ("x > 1", (), "this one is 'x > 1'"),
    ],
)  # fmt: skip
def test_a_wrong_condition_is_told_where_and_how(condition: Any, loc: tuple[int | str, ...], words: str) -> None:
    found = problems(condition)
    assert [place for place, _ in found] == [loc]
    assert words in found[0][1]


def nested(levels: int) -> Any:
    condition: Any = {"event": "x"}
    for _ in range(levels - 1):
        condition = {"not": condition}
    return condition


def test_depth_and_size_are_bounded_before_anything_is_built() -> None:
    parse(nested(DEPTH))
    parse({"any": [{"event": "x"}] * (LEAVES - 1)})
    assert "nested too deep" in problems(nested(DEPTH + 1))[0][1]
    assert "nested too deep" in problems(nested(50_000))[0][1]
    assert "too many conditions" in problems({"any": [{"event": "x"}] * LEAVES})[0][1]
