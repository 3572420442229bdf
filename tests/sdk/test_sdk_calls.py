"""Every call makes an event that the platform's models accept, or raises at once and says what would be right."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
import rapport_sdk.event
from hypothesis import given
from hypothesis import strategies as st
from rapport_sdk import Bound
from rapport_sdk.calls import Calls
from rapport_sdk.defaults import Defaults
from rapport_sdk.jsontext import dumps

from services.conditions import exact
from services.identifiers import DEFAULT_RULES
from services.ingest.collect import Collector
from services.ingest.decode import envelope
from services.ingest.payload import Arrival
from services.ingest.segment import CALLS
from services.ingest.sources import Limits, Source
from services.profile import amounts

NOW = 1_900_000_000_000
SHOP = Source(name="shop", write_key="key-shop", trusted=True)


class Kept(Calls):
    """Calls that end here, as the lines that a client would put into its buffer."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def _defaults(self) -> Defaults:
        return Defaults()

    def _keep(self, made: dict[str, Any]) -> None:
        self.lines.append(rapport_sdk.event.line(made))

    def one(self) -> dict[str, Any]:
        return dict(json.loads(self.lines.pop()))


class Colour(Enum):
    RED = "red"


ids = st.one_of(st.integers(100), st.uuids(), st.text("abcXYZ019-_.@汉字", min_size=3, max_size=40).map("x".__add__))
names = st.text(min_size=1, max_size=50).filter(lambda text: "\0" not in text)
moments = st.datetimes(datetime(1980, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC))
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(), max_size=20),
    decimals,
    st.datetimes(),
    st.dates(),
    st.uuids(),
    st.just(Colour.RED),
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
objects = st.dictionaries(names.filter(lambda name: name not in ("email", "phone")), values, max_size=4)
about = st.fixed_dictionaries(
    {"user_id": ids}, optional={"anonymous_id": ids, "timestamp": moments, "message_id": names, "context": objects}
)
made = st.one_of(
    st.tuples(st.just("track"), names, about, st.fixed_dictionaries({}, optional={"properties": objects})),
    st.tuples(st.just("identify"), st.none(), about, st.fixed_dictionaries({}, optional={"traits": objects})),
    st.tuples(
        st.sampled_from(["page", "screen"]),
        names,
        about,
        st.fixed_dictionaries({}, optional={"category": names, "properties": objects}),
    ),
    st.tuples(st.just("group"), ids, about, st.fixed_dictionaries({}, optional={"traits": objects})),
    st.tuples(st.just("alias"), ids, about.map(lambda given: {**given, "anonymous_id": None}), st.just({})),
)


@given(made)
def test_what_a_call_makes_is_accepted_as_it_was_meant(
    given_call: tuple[str, Any, dict[str, Any], dict[str, Any]],
) -> None:
    kind, named, who, more = given_call
    if kind == "alias":
        who.pop("anonymous_id")
    kept = Kept()
    call: Callable[..., str] = getattr(kept, kind)
    message_id = call(*([] if named is None else [named]), **who, **more)
    CALLS[kind].model_validate(json.loads(kept.lines[0]))
    batch = envelope(b'{"batch":[%b]}' % kept.lines[0]).batch
    done = Collector(DEFAULT_RULES, Limits(), lambda: "made").collect(batch, "", Arrival(SHOP, NOW))
    assert [verdict.status for verdict in done.verdicts] == ["accepted"], done.verdicts
    touchpoint = json.loads(done.touchpoints[0])
    assert (touchpoint["type"], touchpoint["message_id"]) == (kind, message_id)
    assert touchpoint["context"].get("library") == {"name": "rapport-sdk", "version": rapport_sdk.VERSION}
    if "timestamp" in who:
        assert touchpoint["timestamp"] == (who["timestamp"] - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
            milliseconds=1
        )


@given(decimals)
def test_a_decimal_is_counted_by_the_platform_to_its_last_digit(amount: Decimal) -> None:
    said = exact.sent(dumps({"total": amount}))["total"]
    assert Decimal(said) == amount
    assert (amounts.units(said) or 0) == (amounts.units(amount) or 0)


@pytest.mark.parametrize(
    ("amount", "text"),
    [("19.90", "19.9"), ("40", "40"), ("0.1", "0.1"), ("123456789012.123456789", '"123456789012.123456789"'),
     ("12345678901234567890", '"12345678901234567890"'), ("1E+999999", '"1E+999999"')],
)  # fmt: skip
def test_a_decimal_is_a_number_where_a_number_can_say_it(amount: str, text: str) -> None:
    assert dumps({"total": Decimal(amount)}) == b'{"total":%b}' % text.encode()


@given(st.text(st.characters()))
def test_text_of_any_kind_is_one_line_of_utf8(text: str) -> None:
    line = dumps({"note": text})
    mended = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert b"\n" not in line and json.loads(line) == {"note": mended}


def test_values_are_written_as_documented() -> None:
    kept = Kept()
    at = datetime(2026, 1, 31, 13, 0, 0, 123456, timezone(timedelta(hours=1)))
    there = {"at": at, "day": date(2026, 1, 31), "id": UUID(int=7), "colour": Colour.RED, "total": Decimal("19.90")}
    kept.track("Order Completed", user_id=7, timestamp=at, properties=there)
    assert b'"total":19.9' in kept.lines[0]
    event = kept.one()
    assert (event["userId"], event["timestamp"]) == ("7", "2026-01-31T12:00:00.123Z")
    assert event["properties"] == {
        "at": "2026-01-31T13:00:00.123456+01:00",
        "day": "2026-01-31",
        "id": "00000000-0000-0000-0000-000000000007",
        "colour": "red",
        "total": 19.9,
    }


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda c: c.track("", user_id="u"), "event has 0 characters"),
        (lambda c: c.track(None, user_id="u"), "event is NoneType"),
        (lambda c: c.track("e"), "give user_id or anonymous_id"),
        (lambda c: c.track("e", user_id=""), "user_id has 0 characters"),
        (lambda c: c.track("e", user_id=True), "user_id is bool"),
        (lambda c: c.track("e", user_id="u" * 513), "user_id has 513 characters: it must have 1 to 512"),
        (lambda c: c.track("e", user_id="u", properties=[1]), "properties is list"),
        (lambda c: c.track("e", user_id="u", timestamp=datetime(2026, 1, 1)), "has no time zone"),
        (lambda c: c.track("e", user_id="u", timestamp=1.5), "timestamp is float"),
        (lambda c: c.track("e", user_id="u", message_id=""), "message_id has 0 characters"),
        (lambda c: c.track("e", user_id="u", properties={"a": [{"b": object}]}), r"properties.a\[0\].b is type"),
        (lambda c: c.track("e", user_id="u", properties={"a": float("nan")}), "properties.a is nan"),
        (lambda c: c.track("e", user_id="u", properties={"a": Decimal("inf")}), "properties.a is Infinity"),
        (lambda c: c.track("e", user_id="u", properties={(1, 2): 3}), r"has the key \(1, 2\)"),
        (lambda c: c.track("e", user_id="u", properties={"a": "x" * 33_000}), "the platform takes at most 32768"),
        (lambda c: c.identify(traits={"a": {1, 2}}), "traits.a is set"),
        (lambda c: c.group("", user_id="u"), "group_id has 0 characters"),
        (lambda c: c.alias("old"), "user_id is missing"),
        (lambda c: c.page(7, user_id="u"), "name is int"),
    ],
)
def test_a_wrong_argument_is_said_at_once_and_keeps_nothing(call: Callable[[Calls], str], told: str) -> None:
    kept = Kept()
    with pytest.raises((TypeError, ValueError), match=told):
        call(kept)
    assert not kept.lines


def test_a_value_without_end_is_said() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    with pytest.raises(ValueError, match="inside each other without end"):
        Kept().track("e", user_id="u", properties=endless)


def test_bound_calls_fill_what_is_left_open() -> None:
    kept = Kept()
    ann = Bound(kept, Defaults()).bind(user_id="ann", campaign={"source": "letter"}, user_agent="x")
    ann.bind(anonymous_id="a1", ip="::1").track("e", context={"campaign": {"source": "call"}})
    event = kept.one()
    assert (event["userId"], event["anonymousId"]) == ("ann", "a1")
    del event["context"]["library"]
    assert event["context"] == {"campaign": {"source": "call"}, "userAgent": "x", "ip": "::1"}
    ann.track("e", user_id="ben")
    assert kept.one()["userId"] == "ben"


def test_context_blocks_are_of_their_task(tmp_path: Any) -> None:
    kept = Kept()
    client = rapport_sdk.Client("key", "http://127.0.0.1:9", buffer=tmp_path)
    client._keep = kept._keep  # type: ignore[method-assign]

    async def visit(who: str) -> None:
        with client.context(user_id=who):
            await asyncio.sleep(0)
            with client.context(anonymous_id=f"{who}-browser"):
                await asyncio.sleep(0)
                client.track("inside", properties={"who": who})
            await asyncio.sleep(0)
            client.track("around", properties={"who": who})

    async def visits() -> None:
        await asyncio.gather(*(visit(f"u{n}") for n in range(5)))

    asyncio.run(visits())
    events = [json.loads(line) for line in kept.lines]
    assert len(events) == 10 and all(event["userId"] == event["properties"]["who"] for event in events)
    assert all(("anonymousId" in event) == (event["event"] == "inside") for event in events)
    with pytest.raises(ValueError, match="says of nobody"):
        client.track("outside")
    client.close(0)
