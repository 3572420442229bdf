"""A refused item as a line for mending and back; its time and its message id when it is sent again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Rejected
from services.ingest.replay import Moved, Refused, again, call_of, edited, instant, line_of, mended
from services.ingest.stamps import millis

AT = 1_770_000_000_123
names = st.text("abcXYZ_", min_size=1, max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=6) | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
calls = st.dictionaries(names, values, max_size=5)


def item(raw: str, kind: str = "", at: int = AT) -> Refused:
    return Refused("id-1", "main", "web", kind, at, "code", "field", "reason", raw)


@given(calls, st.integers(0, 253_402_300_799_999))
def test_an_item_goes_into_the_file_and_comes_back_the_same(call: dict[str, Any], at: int) -> None:
    line = mended(line_of(item(json.dumps(call), "track", at)))
    assert json.loads(json.dumps(line.call, default=float)) == {**call, "type": "track"}
    assert (line.id, line.workspace, line.source) == ("id-1", "main", "web")
    assert millis(line.received_at, "") == at


def test_numbers_keep_every_digit() -> None:
    raw = '{"type":"track","properties":{"a":1.10,"b":12345678901234567890.123456789,"c":1E-7}}'
    assert b'"a":1.10,"b":12345678901234567890.123456789,"c":1E-7' in again(call_of(item(raw)), "m", AT)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({}, AT),
        ({"timestamp": None, "sentAt": AT - 5_000}, AT),
        ({"timestamp": "2024-05-06T07:08:09Z"}, 1_714_979_289_000),
        ({"originalTimestamp": "2024-05-06T07:08:09Z"}, 1_714_979_289_000),
        ({"timestamp": AT - 90_000, "sentAt": AT - 60_000}, AT - 30_000),  # the client's clock was a minute behind
        ({"timestamp": AT + 90_000}, AT),  # nothing happens later than it was received
    ],
)
def test_it_keeps_the_time_that_it_would_have_got_when_it_came_first(times: dict[str, Any], expected: int) -> None:
    sent = json.loads(again({"type": "track", "event": "E", **times}, "m", AT))
    assert millis(sent["timestamp"], "") == expected
    assert set(sent) == {"type", "event", "timestamp", "messageId"}


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("timestamp", "originalTimestamp", "sentAt"), values)))
def test_a_time_that_is_wrong_is_left_for_the_collector_to_say_so(times: dict[str, Any]) -> None:
    sent = json.loads(again(times, "m", AT))
    try:
        assert all(value is None or type(value) in (str, int) for value in times.values())
        [millis(value, "") for value in times.values()]
    except (Rejected, AssertionError):
        assert sent == {**times, "messageId": "m"}
    else:
        assert millis(sent["timestamp"], "") is not None


def test_values_are_moved_and_set_by_their_paths() -> None:
    call = {"user_id": "u1", "properties": {"mail": "a@b.example", "total": 1}}
    edits = [("userId", Moved("user_id")), ("traits.email", Moved("properties.mail")), ("properties.total", 2),
             ("context.page.url", "x"), ("never", Moved("no.such.path"))]  # fmt: skip
    assert edited(call, edits) == {
        "userId": "u1", "traits": {"email": "a@b.example"}, "properties": {"total": 2},
        "context": {"page": {"url": "x"}},
    }  # fmt: skip


@pytest.mark.parametrize("raw", ["{cut", '"{cut off"', "[1]", "7", ""])
def test_what_is_no_object_is_text_to_be_rewritten_and_is_not_sent_as_it_is(raw: str) -> None:
    found = call_of(item(raw))
    assert isinstance(found, str) and found.strip('"') == raw.strip('"')
    with pytest.raises(Rejected, match="expected an object"):
        again(edited(found, [("userId", "u1")]), "m", AT)


@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
def test_any_other_line_is_told_apart(line: bytes) -> None:
    with pytest.raises(Rejected):
        mended(line)


def test_moments_are_written_to_the_millisecond() -> None:
    assert instant(AT) == "2026-02-02T02:40:00.123Z"
