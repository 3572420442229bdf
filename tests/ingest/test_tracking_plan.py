"""The tracking plan: what it lets pass, leaves out, flags and blocks; and what is proposed as one."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fast import RejectedItem, Touchpoint
from services.identifiers import DEFAULT_RULES
from services.ingest.collect import Collected, Collector
from services.ingest.payload import Arrival
from services.ingest.plan.definitions import Planned, compiled
from services.ingest.plan.inference import proposed
from services.ingest.plan.judging import LONGEST, MOST, Plan
from services.ingest.sources import Limits, Source

SHOP = Source(name="shop", write_key="key-shop", trusted=True)
ORDER = {
    "type": "object",
    "required": ["order_id", "total"],
    "properties": {"order_id": {"type": "string"}, "total": {"type": "number", "minimum": 0}},
    "additionalProperties": False,
}

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
objects = st.dictionaries(st.sampled_from(["order_id", "total", "coupon", "a.b", ""]) | st.text(), values, max_size=6)


def collected(plan: Plan, *calls: dict[str, Any], source: Source = SHOP) -> Collected:
    collector = Collector(DEFAULT_RULES, Limits(), lambda: "made", plan)
    return collector.collect([msgspec.Raw(json.dumps(call).encode()) for call in calls], "", Arrival(source, 1))


def order(properties: dict[str, Any], event: str = "Order Completed") -> dict[str, Any]:
    return {"type": "track", "event": event, "userId": "ann", "messageId": "m1", "properties": properties}


def planned(action: str, **more: Any) -> Plan:
    return Plan(
        [Planned.model_validate({"event": "Order Completed", "on_violation": action, "properties": ORDER} | more)]
    )


def touchpoint(done: Collected) -> Touchpoint:
    return msgspec.json.decode(done.touchpoints[0], type=Touchpoint)


def refused(done: Collected) -> RejectedItem:
    return msgspec.json.decode(done.rejected[0], type=RejectedItem)


def test_what_the_plan_likes_goes_on_as_it_came() -> None:
    done = collected(planned("block"), order({"order_id": "o1", "total": 39.950}))
    assert touchpoint(done).violations == ()
    assert bytes(touchpoint(done).properties) == b'{"order_id": "o1", "total": 39.95}'


def test_a_blocked_call_is_refused_with_what_is_wrong_and_where() -> None:
    item = refused(collected(planned("block"), order({"order_id": "o1", "total": "ten"})))
    assert (item.code, item.field) == ("plan_violation", "properties.total")
    assert '"ten" is not of type "number"' in item.reason
    assert json.loads(item.raw)["properties"]["total"] == "ten"


def test_a_flagged_call_passes_whole_and_says_what_is_wrong_to_the_sender_too() -> None:
    done = collected(planned("flag"), order({"order_id": "o1", "total": -1}))
    assert touchpoint(done).violations == ("properties.total: -1 is less than the minimum of 0",)
    assert json.loads(bytes(touchpoint(done).properties)) == {"order_id": "o1", "total": -1}
    assert done.verdicts[0].status == "accepted" and done.verdicts[0].violations == touchpoint(done).violations


def test_what_violates_the_plan_is_left_out_and_the_rest_passes_byte_for_byte() -> None:
    done = collected(planned("omit"), order({"order_id": 7, "total": 1.10, "coupon": "x"}))
    assert bytes(touchpoint(done).properties) == b'{"total":1.1}'
    assert len(touchpoint(done).violations) == 2


def test_an_omitted_trait_is_no_identifier_either() -> None:
    plan = Plan([Planned(type="identify", on_violation="omit", traits={"properties": {"email": {"format": "email"}}})])
    call = {"type": "identify", "userId": "ann", "traits": {"email": "not an address", "name": "Ann"}}
    made = touchpoint(collected(plan, call))
    assert made.identifiers == ("user_id:ann",)
    assert json.loads(bytes(made.traits)) == {"name": "Ann"}


def test_the_sources_own_entry_goes_before_that_of_all_and_the_events_before_the_types() -> None:
    strict, open_ = {"required": ["x"]}, {"type": "object"}
    plan = Plan(
        [
            Planned(event="E", on_violation="block", properties=strict),
            Planned(event="E", source="shop", on_violation="block", properties=open_),
            Planned(type="page", on_violation="block", properties=strict),
            Planned(type="page", event="Home", on_violation="block", properties=open_),
        ]
    )
    web = Source(name="web", write_key="key-web")
    assert not collected(plan, order({}, "E")).rejected
    assert collected(plan, order({}, "E"), source=web).rejected
    assert collected(plan, {"type": "page", "userId": "a", "name": "Cart"}).rejected
    assert not collected(plan, {"type": "page", "userId": "a", "name": "Home"}).rejected


@pytest.mark.parametrize(("action", "accepted", "told"), [("allow", 1, 0), ("flag", 1, 1), ("block", 0, 0)])
def test_events_that_are_not_planned_are_treated_as_their_source_says(action: str, accepted: int, told: int) -> None:
    done = collected(Plan([], {"shop": action}), order({}, "Surprise"))
    assert len(done.touchpoints) == accepted
    assert sum(len(verdict.violations) for verdict in done.verdicts) == told
    assert not collected(Plan([], {"web": "block"}), order({}, "Surprise")).rejected


@given(objects, st.sampled_from(["block", "omit", "flag"]))
def test_whatever_comes_gets_a_verdict_and_what_omit_leaves_satisfies_the_plan_but_for_what_is_missing(
    properties: dict[str, Any], action: str
) -> None:
    done = collected(planned(action), order(properties))
    assert len(done.verdicts) == 1
    right = compiled(ORDER).is_valid(json.loads(json.dumps(properties)))
    if done.touchpoints:
        made = touchpoint(done)
        assert bool(made.violations) != right
        assert len(made.violations) <= MOST and all(len(one) <= LONGEST for one in made.violations)
        if action == "omit":
            left = json.loads(bytes(made.properties))
            assert compiled({**ORDER, "required": []}).is_valid(left)
            assert {name: properties[name] for name in left} == left
    else:
        assert refused(done).code != "plan_violation" or (action == "block" and not right)


@given(st.lists(objects, min_size=1, max_size=30))
def test_a_proposed_schema_is_satisfied_by_all_that_it_was_made_of(samples: list[dict[str, Any]]) -> None:
    schema = compiled(proposed(samples))
    assert all(schema.is_valid(sample) for sample in samples)


def test_a_proposal_requires_what_was_always_there_and_lists_the_few_texts_there_are() -> None:
    samples = [{"currency": ["USD", "EUR"][n % 2], "total": n, "note": str(n)} for n in range(200)]
    samples[7].pop("note")
    assert proposed(samples) == {
        "type": "object",
        "required": ["currency", "total"],
        "properties": {
            "currency": {"type": "string", "enum": ["EUR", "USD"]},
            "note": {"type": "string"},
            "total": {"type": "number"},
        },
    }


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "objekt"}, "this is no JSON Schema (at type)"),
        ({"$ref": "https://example.com/schema.json"}, "no JSON Schema"),
        ({"$ref": "file:///etc/passwd"}, "no JSON Schema"),
        ({"pattern": "(a"}, "no JSON Schema"),
    ],
)
def test_a_schema_that_is_none_is_told(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match="JSON Schema") as told:
        Planned(event="E", properties=schema)
    assert words in str(told.value)


def test_a_pattern_that_hangs_others_takes_no_time() -> None:
    plan = Plan([Planned(event="E", on_violation="block", properties={"properties": {"x": {"pattern": "^(a+)+$"}}})])
    assert collected(plan, order({"x": "a" * 30_000 + "!"}, "E")).rejected
