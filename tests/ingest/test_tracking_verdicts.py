"""A body in order is answered 200 with a verdict per item; what is accepted is on the log as it came."""

import json
from typing import Any

import pytest

from schemas import wire
from services.ingest.segment import CALLS
from services.ingest.sources import Limits
from tests.ingest.ingest_platform import NOW, Platform

ORDER = {"event": "Order Completed", "userId": "u1", "messageId": "m1", "properties": {"total": 19.99}}
ONE_OF_EACH: list[dict[str, Any]] = [
    {"type": "track", "userId": "u1", "event": "Order Completed"},
    {"type": "identify", "userId": "u1", "traits": {"email": "ann@example.com"}},
    {"type": "page", "anonymousId": "a1", "name": "Home", "category": "Shop", "properties": {"path": "/"}},
    {"type": "screen", "anonymousId": "a1", "name": "Start"},
    {"type": "group", "userId": "u1", "groupId": "acme", "traits": {"name": "ACME"}},
    {"type": "alias", "userId": "u1", "previousId": "a1"},
]


def test_a_single_call_is_accepted_and_stamped(platform: Platform) -> None:
    answer = platform.post("/v1/track", ORDER | {"timestamp": "2026-02-02T02:00:00Z", "sentAt": "2026-02-02T02:00:10Z"})
    assert answer.status_code == 200
    verdict = {"messageId": "m1", "status": "accepted"}
    assert answer.json() == {"success": True, "accepted": 1, "duplicates": 0, "rejected": 0, "items": [verdict]}
    [touchpoint] = platform.touchpoints
    assert touchpoint["timestamp"] == touchpoint["evidence_at"] == NOW - 10_000
    assert touchpoint["received_at"] == NOW
    assert touchpoint["original_timestamp"] == touchpoint["sent_at"] - 10_000
    assert (touchpoint["anchor"], touchpoint["event"]) == ("user_id:u1", "Order Completed")
    assert (touchpoint["source"], touchpoint["workspace"], touchpoint["channel"]) == ("web", "main", "web")
    assert len(touchpoint["rules"]) == 16


@pytest.mark.parametrize("call", ONE_OF_EACH, ids=lambda call: call["type"])
def test_every_type_of_call_becomes_a_touchpoint_that_the_wires_model_accepts(
    platform: Platform, call: dict[str, Any]
) -> None:
    for body in (call, {**call, "type": None}):
        assert platform.post(f"/v1/{call['type']}", body).json()["accepted"] == 1
    for line in platform.journal.touchpoints:
        assert wire.Touchpoint.model_validate_json(line).type == call["type"]


def test_a_line_of_the_log_has_exactly_the_fields_of_the_wire(platform: Platform) -> None:
    platform.post("/v1/track", ORDER)
    assert set(platform.touchpoints[0]) == set(wire.Touchpoint.model_fields)


def test_a_batch_may_mix_all_types(platform: Platform) -> None:
    answer = platform.post("/v1/batch", {"batch": ONE_OF_EACH}).json()
    assert answer["accepted"] == len(CALLS)
    assert [touchpoint["type"] for touchpoint in platform.touchpoints] == [call["type"] for call in ONE_OF_EACH]


def test_the_routes_of_one_letter_are_those_of_analytics_js(platform: Platform) -> None:
    for call in ONE_OF_EACH:
        assert platform.post(f"/v1/{call['type'][0]}", call).json()["accepted"] == 1
    assert platform.post("/v1/b", {"batch": ONE_OF_EACH}).json()["accepted"] == 6


def test_one_bad_item_does_not_cost_the_others(platform: Platform) -> None:
    bad = {"type": "track", "userID": "u1", "event": "Signed Up", "messageId": "m2"}
    calls = [ORDER | {"type": "track"}, bad, ORDER | {"type": "track", "messageId": "m3"}]
    answer = platform.post("/v1/batch", {"batch": calls}).json()
    assert (answer["accepted"], answer["rejected"]) == (2, 1)
    verdict = answer["items"][1]
    assert (verdict["messageId"], verdict["status"], verdict["code"]) == ("m2", "rejected", "no_identifier")
    assert "did you mean `userId`?" in verdict["hint"]
    [refused] = [wire.RejectedItem.model_validate_json(line) for line in platform.journal.rejected]
    assert json.loads(refused.raw) == bad
    assert (refused.source, refused.received_at, refused.reason) == ("web", NOW, verdict["reason"])


@pytest.mark.parametrize(
    ("item", "code", "words"),
    [
        (7, "not_an_object", "number 7"),
        ({"userId": "u"}, "unknown_type", "`type` is missing"),
        ({"type": "trak", "userId": "u"}, "unknown_type", "did you mean `track`?"),
        ({"type": ["track"], "userId": "u"}, "unknown_type", "an array"),
        ({"type": "track", "userId": "u"}, "missing_field", "`event`"),
        ({"type": "track", "userId": "u", "event": "x", "timestamp": "soon"}, "invalid_time", "ISO 8601"),
        ({"type": "track", "userId": "u", "event": "x", "properties": "p"}, "invalid_field", "`properties`"),
        ({"type": "track", "userId": "u", "event": "x\0y"}, "invalid_field", "U+0000"),
        ({"type": "alias", "userId": "u", "previousId": "null"}, "no_identifier", "previousId"),
        ({"type": "track", "userId": "u", "event": "x" * 40_000}, "too_large", "at most 32768"),
    ],
)
def test_a_refused_item_says_why(platform: Platform, item: Any, code: str, words: str) -> None:
    answer = platform.post("/v1/batch", {"batch": [item]})
    assert answer.status_code == 200
    [verdict] = answer.json()["items"]
    assert (verdict["status"], verdict["code"]) == ("rejected", code)
    assert words in verdict["reason"] + verdict.get("hint", "")
    assert platform.rejected[0]["code"] == code
    assert not platform.touchpoints


def test_a_number_that_nobody_could_read_costs_its_own_item_only(platform: Platform) -> None:
    good, bad = (b'{"type":"page","userId":"u","properties":{"x":%s}}' % number for number in (b"1e99", b"1e999"))
    answer = platform.post("/v1/batch", b'{"batch":[%s,%s]}' % (good, bad)).json()
    assert [verdict.get("code") for verdict in answer["items"]] == [None, "invalid_value"]


def test_an_alias_is_evidence_between_both_ids(platform: Platform) -> None:
    platform.post("/v1/alias", {"userId": "u1", "previousId": " a1"})
    [touchpoint] = platform.touchpoints
    assert (touchpoint["anchor"], touchpoint["previous"]) == ("user_id:u1", " a1")


def test_a_page_keeps_its_name_and_category_among_its_properties(platform: Platform) -> None:
    platform.post("/v1/page", {"anonymousId": "a", "name": "Home", "category": "Shop", "properties": {"path": "/"}})
    platform.post("/v1/page", {"anonymousId": "a", "name": "Home", "properties": {"name": "Start"}})
    platform.post("/v1/page", {"anonymousId": "a", "name": "Home", "properties": {}})
    assert [touchpoint["properties"] for touchpoint in platform.touchpoints] == [
        {"name": "Home", "category": "Shop", "path": "/"},
        {"name": "Start"},
        {"name": "Home"},
    ]
    assert {touchpoint["event"] for touchpoint in platform.touchpoints} == {"Home"}


def test_objects_are_kept_byte_for_byte_on_one_line(platform: Platform) -> None:
    body = (
        b'{"userId":"u","event":"e","properties":{"b":1.10,"a":0.10000000000000000555,\r\n "big":12345678901234567890}}'
    )
    assert platform.post("/v1/track", body).json()["accepted"] == 1
    [line] = platform.journal.touchpoints
    assert b'{"b":1.10,"a":0.10000000000000000555,   "big":12345678901234567890}' in line


def test_the_items_of_a_batch_inherit_its_context_key_by_key_and_its_sent_at(platform: Platform) -> None:
    calls = [
        {"type": "track", "event": "e", "userId": "u1"},
        {"type": "track", "event": "e", "userId": "u2", "context": {"ip": "own", "locale": "de"}},
        {"type": "track", "event": "e", "context": {"traits": {"email": "own@example.com"}}},
    ]
    shared = {"ip": "batch", "traits": {"email": "all@example.com"}, "exact": 1.10}
    stamped = [call | {"timestamp": NOW - 500_000} for call in calls]
    answer = platform.post("/v1/batch", {"batch": stamped, "context": shared, "sentAt": NOW - 400_000})
    assert answer.json()["accepted"] == 3
    first, second, third = platform.touchpoints
    assert first["context"] == shared
    assert second["context"] == {"ip": "own", "traits": shared["traits"], "exact": 1.1, "locale": "de"}
    assert second["identifiers"] == ["user_id:u2", "email:all@example.com"]
    assert third["identifiers"] == ["email:own@example.com"]
    assert {touchpoint["timestamp"] for touchpoint in platform.touchpoints} == {NOW - 100_000}


@pytest.mark.parametrize(("field", "wrong"), [("sentAt", "soon"), ("sentAt", {}), ("context", [1]), ("context", 5)])
def test_an_envelope_that_is_wrong_is_the_reason_given_for_each_of_its_items(
    platform: Platform, field: str, wrong: Any
) -> None:
    answer = platform.post("/v1/batch", {"batch": ONE_OF_EACH, field: wrong}).json()
    assert answer["rejected"] == 6
    assert {verdict["field"] for verdict in answer["items"]} == {field}


def test_a_message_id_is_made_when_it_is_missing_and_kept_when_it_is_not(platform: Platform) -> None:
    calls = [{"type": "page", "userId": "u", "messageId": given} for given in (None, "", "own", 77)]
    answer = platform.post("/v1/batch", {"batch": calls}).json()
    assert [verdict["messageId"] for verdict in answer["items"]] == ["made-1", "made-2", "own", "77"]


def test_the_same_call_again_is_a_duplicate_and_goes_to_the_log_all_the_same(platform: Platform) -> None:
    assert platform.post("/v1/track", ORDER).json()["accepted"] == 1
    again = platform.post("/v1/track", ORDER).json()
    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert again["items"] == [{"messageId": "m1", "status": "duplicate"}]
    assert len(platform.touchpoints) == 2


def test_a_duplicate_within_one_body_is_told_too_and_another_anchor_is_none(platform: Platform) -> None:
    call = ORDER | {"type": "track"}
    answer = platform.post("/v1/batch", {"batch": [call, call, call | {"userId": "u2"}]}).json()
    assert [verdict["status"] for verdict in answer["items"]] == ["accepted", "duplicate", "accepted"]


def test_what_did_not_reach_the_disk_is_no_duplicate_when_it_is_sent_again(platform: Platform) -> None:
    platform.journal.full = True
    assert platform.post("/v1/track", ORDER).status_code == 503
    platform.journal.full = False
    assert platform.post("/v1/track", ORDER).json()["accepted"] == 1


def test_an_import_is_marked_and_a_trusted_source_dates_its_evidence_freely(platform: Platform) -> None:
    call = ORDER | {"type": "track", "timestamp": "1997-01-01T00:00:00Z"}
    for key in ("key-shop", "key-web"):
        assert platform.post("/v1/import", {"batch": [call]}, key).json()["accepted"] + 1
    shop, web = platform.touchpoints
    assert shop["imported"] and web["imported"]
    assert shop["evidence_at"] == shop["timestamp"] == 852_076_800_000
    assert web["timestamp"] == 852_076_800_000
    assert web["evidence_at"] == NOW - 86_400_000


def test_items_are_judged_by_their_size_with_what_their_batch_adds() -> None:
    platform = Platform(Limits(event_bytes=300))
    small = {"type": "page", "userId": "u1"}
    batch = {"batch": [small, small | {"properties": {"x": "y" * 200}}], "context": {"x": "y" * 100}}
    answer = platform.post("/v1/batch", batch).json()
    assert [verdict.get("code") for verdict in answer["items"]] == [None, "too_large"]


def test_depth_is_bounded_and_brackets_inside_text_do_not_count() -> None:
    platform = Platform(Limits(depth=5))

    def nested(levels: int) -> Any:
        return [nested(levels - 1)] if levels else "[{[{[{[{["

    calls = [{"type": "page", "userId": "u", "properties": {"x": nested(levels)}} for levels in (0, 3, 4)]
    answer = platform.post("/v1/batch", {"batch": calls}).json()
    assert [verdict.get("code") for verdict in answer["items"]] == [None, None, "too_deep"]
    shared = {"batch": [{"type": "page", "userId": "u"}], "context": {"x": nested(5)}}
    assert platform.post("/v1/batch", shared).json()["items"][0]["code"] == "too_deep"


def test_an_imported_event_keeps_its_time_though_it_says_when_it_was_sent_long_ago(platform: Platform) -> None:
    call = ORDER | {"type": "track", "timestamp": "2019-01-01T00:00:00Z", "sentAt": "2019-01-01T00:00:05Z"}
    platform.post("/v1/import", {"batch": [call]}, "key-shop")
    (made,) = platform.touchpoints
    assert (made["timestamp"], made["sent_at"]) == (1_546_300_800_000, 1_546_300_805_000)


@pytest.mark.parametrize("junk", ["null", " ", "undefined", "000", "-1"])
def test_a_group_id_that_is_nobodys_makes_no_account(platform: Platform, junk: str) -> None:
    item = platform.post("/v1/group", {"userId": "ann", "groupId": junk, "traits": {"plan": "pro"}}).json()["items"][0]
    assert (item["status"], item["code"], item["field"]) == ("rejected", "no_account", "groupId")
    platform.post("/v1/track", ORDER | {"context": {"groupId": junk}}, "key-shop")
    assert platform.touchpoints[-1]["group_id"] == ""


def test_an_account_is_named_by_a_group_call_and_by_the_context_of_others(platform: Platform) -> None:
    platform.post("/v1/group", {"userId": "ann", "groupId": " acme ", "traits": {"plan": "pro"}})
    platform.post("/v1/track", ORDER | {"context": {"groupId": "acme"}}, "key-shop")
    platform.post("/v1/track", ORDER | {"messageId": "m9", "context": {"groupId": 7}}, "key-shop")
    assert [one["group_id"] for one in platform.touchpoints] == ["acme", "acme", "7"]
