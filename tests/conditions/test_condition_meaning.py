"""What conditions mean: missing, null and values of another kind hold nowhere, and numbers compare exactly."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from schemas import fast
from schemas.fast import Profile
from schemas.identifiers import profile_id
from services.conditions import exact
from services.conditions.compile import compiled
from services.conditions.subject import Facts, facts
from services.conditions.tree import Node, Tree

parse = TypeAdapter[Node](Tree).validate_python
COMPARISONS = ("is", "not_equals", "gt", "gte", "lt", "lte", "contains")


def holds(condition: Any, **values: Any) -> bool:
    return compiled(parse(condition))(Facts(traits=values, properties=values))


numbers = st.integers(-(10**20), 10**20) | st.decimals(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=5)
values = st.none() | st.booleans() | numbers | texts | st.lists(numbers | texts, max_size=3) | st.just({"a": 1})


@given(st.sampled_from(COMPARISONS), numbers | texts, values)
def test_a_comparison_with_another_kind_never_holds_and_its_not_always_does(name: str, wanted: Any, value: Any) -> None:
    number = type(wanted) in (int, Decimal)
    same = type(value) in (int, Decimal) if number else type(value) is str
    listed = name == "contains" and type(value) is list
    if not same and not listed:
        assert not holds({"trait": "x", name: wanted}, x=value)
        assert holds({"not": {"trait": "x", name: wanted}}, x=value)


@given(numbers, numbers)
def test_numbers_compare_as_numbers_whatever_they_are_written_like(wanted: Any, value: Any) -> None:
    assert holds({"trait": "x", "is": wanted}, x=value) == (value == wanted)
    assert holds({"trait": "x", "not_equals": wanted}, x=value) == (value != wanted)
    assert holds({"trait": "x", "gt": wanted}, x=value) == (value > wanted)
    assert holds({"trait": "x", "lte": wanted}, x=value) == (value <= wanted)


@given(texts, texts)
def test_texts_compare_by_code_points(wanted: str, value: str) -> None:
    assert holds({"trait": "x", "gte": wanted}, x=value) == (value.encode() >= wanted.encode())
    assert holds({"trait": "x", "contains": wanted}, x=value) == (wanted in value)


leaves = st.sampled_from([({"trait": "yes", "is": 1}, True), ({"trait": "no", "is": 1}, False)])
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(lambda part: ({"not": part[0]}, not part[1])),
        st.lists(inner, min_size=1, max_size=3).map(lambda ps: ({"all": [p[0] for p in ps]}, all(p[1] for p in ps))),
        st.lists(inner, min_size=1, max_size=3).map(lambda ps: ({"any": [p[0] for p in ps]}, any(p[1] for p in ps))),
    ),
    max_leaves=12,
)


@given(trees)
def test_all_any_and_not_are_what_they_say(tree: tuple[Any, bool]) -> None:
    condition, expected = tree
    if str(condition).count("{") < 150 and depth(condition) <= 10:
        assert holds(condition, yes=1, no=0) == expected


def depth(condition: Any) -> int:
    inner = condition.get("all") or condition.get("any") or ([condition["not"]] if "not" in condition else [])
    return 1 + max(map(depth, inner), default=0)


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        ({"property": "x", "is": 0.3}, exact.value(b"0.30"), True),
        ({"property": "x", "is": 1}, True, False),
        ({"property": "x", "is": True}, True, True),
        ({"property": "x", "gt": 39}, "39.95", False),
        ({"property": "x", "in": ["a", 2]}, 2, True),
        ({"property": "x", "in": ["a", 2]}, "2", False),
        ({"property": "x", "contains": "b"}, ["a", "b"], True),
        ({"property": "x", "contains": 2}, "1, 2", False),
        ({"property": "x", "exists": True}, None, False),
        ({"property": "x", "exists": False}, None, True),
        ({"property": "x.y.z", "is": 1}, {"y": {"z": 1}}, True),
        ({"property": "x.y.z", "exists": True}, {"y": "z"}, False),
    ],
)
def test_examples(condition: Any, value: Any, expected: bool) -> None:
    assert holds(condition, x=value) == expected


def test_a_name_with_dots_is_first_looked_up_as_it_stands() -> None:
    assert holds({"property": "a.b", "is": 1}, **{"a.b": 1, "a": {"b": 2}})


def test_nothing_is_counted_and_nothing_consented_until_it_happened() -> None:
    person = Facts(events={"Order Completed": 2}, consents={"sms": "denied"})
    assert compiled(parse({"event": "Order Completed", "at_least": 2}))(person)
    assert not compiled(parse({"event": "Order Completed", "at_least": 3}))(person)
    assert not compiled(parse({"event": "Signed In"}))(person)
    assert compiled(parse({"consent": "email", "is": "unknown"}))(person)
    assert compiled(parse({"consent": "sms", "is": "denied"}))(person)


def test_a_published_profile_is_a_subject_and_what_is_computed_goes_first() -> None:
    profile = Profile(
        workspace="main", profile_id=profile_id("main", "user_id:1"), version=1, events=fast.raw({"Signed In": 3}),
        traits=fast.raw({name: {"value": v, "at": 1, "source": "x"} for name, v in (("city", "Ulm"), ("orders", 9))}),
        computed=fast.raw({"orders": 2, "spent": Decimal("0.3")}), consent=fast.raw({"email": "granted"}),
    )  # fmt: skip
    person = facts(profile)
    assert person.trait("city") == "Ulm"
    assert person.trait("orders") == 2
    assert compiled(parse({"all": [{"trait": "spent", "is": 0.3}, {"event": "Signed In", "at_least": 3}]}))(person)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b'"\\ud800"', b"[" * 100_000, b"1" * 5_000])
def test_what_cannot_be_read_is_missing_and_stops_nobody(text: bytes) -> None:
    assert exact.value(text) is None


def test_a_number_no_decimal_can_hold_is_missing_and_the_rest_is_there() -> None:
    assert exact.value(b'{"a": 1e99999999999999999999, "b": 0.10}') == {"a": None, "b": Decimal("0.10")}
