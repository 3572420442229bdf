"""Random JSON objects as clients send them, and random conditions that have something to do with them."""

from typing import Any

from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.conditions.tree import Node, Tree

parse = TypeAdapter[Node](Tree).validate_python

NAMES = ["a", "b", "a.b", "b.a.c", "x'y", "é"]
NUMBERS = [
    *(
        "0",
        "-0",
        "-0.0",
        "1",
        "1.0",
        "1e0",
        "10e-1",
        "2",
        "-1",
        "39.95",
        "39.950",
        "0.1",
        "0.30",
        "0.30000000000000004",
    ),
    *("9007199254740993", "9007199254740993.0", "9223372036854775807", "9223372036854775808", "18446744073709551615"),
    *("18446744073709551616", "-9223372036854775809", "123456789012345678901", "1e20", "1e21", "100000000000000000000"),
    *("1e-7", "0.000001", "5e-324", "1e-400", "1.7976931348623157e308", "-1.5", "999999999999999999", "1e18"),
    *("0.0000000019", "123456789.123456789123", "1.9999999999"),
]
TEXTS = [
    *('""', '"a"', '"b"', '"A"', '"1"', '"39.95"', '"-0.5"', '"007"', '"1e3"', '"null"', '"true"', '"é"', '"e\\u0301"'),
    *('"\\u0000"', '"a\\u0000b"', '"\\ud83d\\ude00"', '"\\uffff"', '"\\""', '"\\\\"', '"a/b\\/c"', '"\\u2028\\u001f"'),
    *('"\'; DROP TABLE x"', '"{now:Int64}"', '"18446744073709551616"', '"9999999999999999999"', '"ab"', '"ba"'),
]
scalars = st.sampled_from([*NUMBERS, *TEXTS, "true", "false", "null"]) | st.floats(
    allow_nan=False, allow_infinity=False
).map(repr) | st.integers(-(2**70), 2**70).map(str)  # fmt: skip
names = st.sampled_from(["a", "b", "c", "a.b", "", "x'y", "é", "b.a"])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '\\"') + '"'


def _object(pairs: list[tuple[str, str]]) -> str:
    return "{" + " ,".join(f"{_quoted(name)} : {value}" for name, value in pairs) + "}"


values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: "[" + ", ".join(parts) + "]")
        | st.lists(st.tuples(names, inner), max_size=3).map(_object)
    ),
    max_leaves=4,
)
objects = st.lists(st.tuples(names, values), max_size=4).map(_object)
"""JSON objects as texts: names may occur twice, numbers are written in every way."""

_numbers = (
    st.sampled_from([0, 1, 1.0, -1, 2, 39.95, 0.3, 0.30000000000000004, 2**53 + 1, 2**63, 2**64, 1e20, 1e-7, 1e300])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**70), 2**70)
)
_texts = st.sampled_from(
    ["", "a", "b", "1", "39.95", "é", "\0", "\\", "'", '"', "\u2028", "{x:String}", "18446744073709551616"]
)
_ordered = _numbers | _texts
_wanted = _ordered | st.booleans()


def comparisons(leaf: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The leaf with one of the comparisons."""
    return st.one_of(
        st.tuples(st.sampled_from(["is", "not_equals", "contains"]), _wanted),
        st.tuples(st.sampled_from(["gt", "gte", "lt", "lte"]), _ordered),
        st.tuples(st.just("exists"), st.booleans()),
        st.tuples(st.just("in"), st.lists(_wanted, min_size=1, max_size=3)),
    ).map(lambda said: leaf | {said[0]: said[1]})


def trees(leaves: st.SearchStrategy[Any], most: int = 4) -> st.SearchStrategy[Any]:
    """Trees of these leaves, half of them a leaf alone."""
    return leaves | st.recursive(
        leaves,
        lambda inner: (
            inner.map(lambda part: {"not": part})
            | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts})
            | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts})
        ),
        max_leaves=most,
    )


properties = st.sampled_from(NAMES).flatmap(lambda name: comparisons({"property": name}))
