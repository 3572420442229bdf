"""The quick reader and the documented models give the same verdict on every call."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.errors import Rejected
from services.ingest.payload import Shared, read
from services.ingest.segment import CALLS
from services.ingest.sources import Limits
from services.ingest.stamps import millis

LIMITS = Limits()
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))
objects = st.dictionaries(words, anything, max_size=3)
times = st.sampled_from(["2026-01-31T12:00:00Z", "2026-01-31", "yesterday", "", 1_770_000_000_000, 5, 10**15, 1.5])
sometimes: dict[str, st.SearchStrategy[Any]] = {
    "userId": words | st.integers() | st.sampled_from(["", "x" * 512, "x" * 513, 5.0]),
    "anonymousId": words | st.integers(),
    "messageId": words | st.integers() | st.sampled_from(["m" * 256, "m" * 257]),
    "timestamp": times,
    "originalTimestamp": times,
    "sentAt": times,
    "properties": objects,
    "traits": objects,
    "context": objects,
    "event": words | st.sampled_from(["e" * 1024, "e" * 1025]),
    "name": words,
    "category": words,
    "groupId": words | st.integers(),
    "previousId": words | st.integers(),
    "integrations": anything,
    "unknown": anything,
}
needed = {name: sometimes.pop(name) for name in ("userId", "event", "groupId", "previousId")}
good = st.fixed_dictionaries(needed, optional=sometimes)
calls = st.fixed_dictionaries({}, optional={name: kind | anything for name, kind in (needed | sometimes).items()})
kinds = st.sampled_from(sorted(CALLS))


def read_quickly(kind: str, text: bytes) -> str:
    """Empty when the call is accepted, else the field that is at fault."""
    try:
        call = read(msgspec.Raw(text), kind, Shared(), LIMITS).call
        for field, value in (("timestamp", call.timestamp), ("sentAt", call.sent_at)):
            millis(value, field)
        millis(call.original_timestamp, "originalTimestamp")
    except Rejected as rejected:
        return rejected.field or "?"
    return ""


def read_by_the_models(kind: str, text: bytes) -> str:
    try:
        CALLS[kind].model_validate(msgspec.json.decode(text))
    except ValidationError as error:
        return str(error.errors()[0]["loc"][0])
    return ""


@settings(max_examples=250)
@given(kinds, calls | good)
@example("alias", {"userId": "", "previousId": "a"})
@example("alias", {"userId": True, "previousId": 5})
@example("track", {"event": None})
@example("track", {"event": "x", "properties": []})
@example("track", {"event": "x", "userId": 5.0})
@example("page", {"event": 7, "name": None})
@example("group", {"groupId": 0})
def test_both_readers_accept_and_refuse_the_same_calls(kind: str, call: dict[str, Any]) -> None:
    text = json.dumps(call).encode()
    quick, documented = read_quickly(kind, text), read_by_the_models(kind, text)
    assert bool(quick) == bool(documented), (quick, documented)


def test_the_generators_reach_accepted_and_refused_calls_of_every_type() -> None:
    seen: set[tuple[str, bool]] = set()

    @settings(max_examples=600, database=None, derandomize=True)
    @given(kinds, calls | good | st.fixed_dictionaries(needed))
    def look(kind: str, call: dict[str, Any]) -> None:
        seen.add((kind, bool(read_quickly(kind, json.dumps(call).encode()))))

    look()
    assert seen == {(kind, refused) for kind in CALLS for refused in (False, True)}


@pytest.mark.parametrize(
    ("kind", "call", "field", "hint"),
    [
        ("track", {"userId": "u", "event_name": "Bought"}, "event", "did you mean `event`?"),
        ("track", {"userId": "u", "Event": "Bought"}, "event", "did you mean `event`?"),
        ("track", {"userId": "u", "evnet": "Bought"}, "event", "did you mean `event`?"),
        ("group", {"userId": "u", "grupId": "Bought"}, "groupId", "did you mean `groupId`?"),
        ("group", {"userId": "u", "g": "Bought", "groups": 7, "identity": 1}, "groupId", ""),
        ("group", {"userId": "u", "group_id": "g"}, "groupId", "did you mean `groupId`?"),
        ("alias", {"userId": "u", "previousID": "g"}, "previousId", "did you mean `previousId`?"),
        ("track", {"properties": {"event": "Bought"}}, "event", "beside `properties`"),
        ("track", {"event": "x", "properties": [1]}, "properties", ""),
        ("track", {"event": 7}, "event", ""),
        ("identify", {"userId": {"id": 7}}, "userId", ""),
        ("identify", {"traits": "vip"}, "traits", ""),
    ],
)
def test_a_refused_call_names_its_field_and_what_was_meant(
    kind: str, call: dict[str, Any], field: str, hint: str
) -> None:
    with pytest.raises(Rejected) as refused:
        read(msgspec.Raw(json.dumps(call).encode()), kind, Shared(), LIMITS)
    assert refused.value.field == field
    assert refused.value.expected
    assert refused.value.got
    assert field in str(refused.value)
    assert hint in refused.value.hint
