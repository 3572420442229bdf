"""Requests that are refused as a whole: a status, a code for programs and a message for people; nothing is kept."""

import gzip
import json
from base64 import b64encode
from typing import Any

import httpx
import pytest

from services.errors import ConfigError
from services.ingest.keys import WriteKeys
from services.ingest.sources import Limits, Source
from tests.ingest.ingest_platform import Platform

CALL = {"userId": "u1", "event": "Signed Up"}


def refused(platform: Platform, answer: httpx.Response, status: int, code: str) -> str:
    """Hold the answer to what every error answer promises; gives its message."""
    body = answer.json()
    assert (answer.status_code, body["code"], set(body)) == (status, code, {"code", "message"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert not platform.journal.touchpoints
    assert not platform.journal.rejected
    return str(body["message"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b'{"userId":"u1",', "invalid_json"),
        (b'{"userId":"u1","properties":{"x":NaN}}', "invalid_json"),
        (b'{"batch":[]} {}', "invalid_json"),
        (b'\xef\xbb\xbf{"userId":"u1"}', "invalid_json"),
        (b'{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "invalid_json"),
        (b'{"userId":"\xff"}', "invalid_utf8"),
        (b"[]", "invalid_body"),
        (b'"track"', "invalid_body"),
        (b"null", "invalid_body"),
    ],
)
def test_a_body_that_is_no_json_object_is_a_400(platform: Platform, body: bytes, code: str) -> None:
    for path in ("/v1/track", "/v1/batch", "/v1/import"):
        refused(platform, platform.post(path, body), 400, code)


@pytest.mark.parametrize("body", [{}, {"batch": None}, {"batch": {}}, {"batch": "x"}, {"events": []}])
def test_a_batch_needs_a_list_of_calls(platform: Platform, body: Any) -> None:
    assert "`batch`" in refused(platform, platform.post("/v1/batch", body), 400, "invalid_body")


def test_an_empty_batch_is_in_order(platform: Platform) -> None:
    answer = platform.post("/v1/batch", {"batch": []}).json()
    assert answer == {"success": True, "accepted": 0, "duplicates": 0, "rejected": 0, "items": []}


@pytest.mark.parametrize("key", ["", "key-wrong", "KEY-WEB", "k\u00e9y"])
def test_no_write_key_or_a_wrong_one_is_a_401_that_says_where_it_belongs(platform: Platform, key: str) -> None:
    assert "Basic auth" in refused(platform, platform.post("/v1/track", CALL, key), 401, "unauthorized")


@pytest.mark.parametrize("header", ["Bearer key-web", "Basic", "Basic !!!", "Basic a2V5", "", "Basic \u00ff"])
def test_other_authorization_headers_are_a_401(platform: Platform, header: str) -> None:
    answer = platform.request("POST", "/v1/track", json=CALL, headers=[(b"authorization", header.encode("latin-1"))])
    refused(platform, answer, 401, "unauthorized")


@pytest.mark.parametrize("key", [None, 7, ["key-web"], "key-wrong", {"$ne": ""}])
def test_a_wrong_write_key_in_the_body_is_a_401(platform: Platform, key: Any) -> None:
    refused(platform, platform.post("/v1/track", CALL | {"writeKey": key}, ""), 401, "unauthorized")
    refused(platform, platform.post("/v1/batch", {"batch": [], "writeKey": key}, ""), 401, "unauthorized")


def test_the_write_key_may_stand_in_the_body(platform: Platform) -> None:
    assert platform.post("/v1/track", CALL | {"writeKey": "key-web"}, "").json()["accepted"] == 1
    batch = {"batch": [CALL | {"type": "track"}], "writeKey": "key-shop"}
    assert platform.post("/v1/batch", batch, "").json()["accepted"] == 1
    assert [touchpoint["source"] for touchpoint in platform.touchpoints] == ["web", "shop"]


def test_the_basic_scheme_is_read_without_case_and_with_any_password(platform: Platform) -> None:
    credentials = b64encode(b"key-web:ignored").decode()
    answer = platform.request("POST", "/v1/track", json=CALL, headers={"Authorization": f"bAsIc {credentials}"})
    assert answer.json()["accepted"] == 1


def test_two_sources_may_not_have_the_same_key() -> None:
    with pytest.raises(ConfigError, match="web and app have the same write_key"):
        WriteKeys([Source(name="web", write_key="k"), Source(name="app", write_key="k")])


def test_a_write_key_does_not_show_when_its_source_is_printed() -> None:
    assert "secret-key" not in repr(Source(name="web", write_key="secret-key"))


def test_a_single_call_larger_than_an_event_may_be_is_a_413(platform: Platform) -> None:
    large = CALL | {"properties": {"x": "y" * 32 * 1024}}
    assert "32768" in refused(platform, platform.post("/v1/track", large), 413, "too_large")


def test_a_batch_larger_than_a_batch_may_be_is_a_413(platform: Platform) -> None:
    refused(platform, platform.post("/v1/batch", b" " * (500 * 1024 + 1)), 413, "too_large")


def test_a_batch_of_too_many_events_is_a_413(platform: Platform) -> None:
    assert "2500" in refused(platform, platform.post("/v1/batch", {"batch": [0] * 2501}), 413, "too_many_events")


def test_a_batch_may_not_blow_up_its_context_by_many_small_events(platform: Platform) -> None:
    call = {"type": "page", "userId": "u1"}
    body = {"batch": [call] * 2_000, "context": {"x": "y" * 20_000}}
    assert "context" in refused(platform, platform.post("/v1/batch", body), 413, "too_large")


def test_gzip_is_read(platform: Platform) -> None:
    data = gzip.compress(json.dumps(CALL).encode())
    assert platform.post("/v1/track", data, content_encoding="gzip").json()["accepted"] == 1


def test_a_gzip_bomb_is_a_413_and_never_unfolds(platform: Platform) -> None:
    bomb = gzip.compress(b" " * 30_000_000)
    assert len(bomb) < 32 * 1024
    refused(platform, platform.post("/v1/track", bomb, content_encoding="gzip"), 413, "too_large")


@pytest.mark.parametrize("spoil", [lambda z: b"not gzip", lambda z: z[:-4], lambda z: z + b"more", lambda z: b""])
def test_broken_gzip_is_a_400(platform: Platform, spoil: Any) -> None:
    data = spoil(gzip.compress(json.dumps(CALL).encode()))
    refused(platform, platform.post("/v1/track", data, content_encoding="gzip"), 400, "invalid_gzip")


def test_other_encodings_are_a_415(platform: Platform) -> None:
    refused(platform, platform.post("/v1/track", CALL, content_encoding="br"), 415, "unsupported_encoding")


def test_other_methods_are_a_405(platform: Platform) -> None:
    for method in ("GET", "PUT", "DELETE"):
        refused(platform, platform.request(method, "/v1/track"), 405, "method_not_allowed")


def test_a_source_that_sends_too_fast_is_told_how_long_to_wait(platform: Platform) -> None:
    call = CALL | {"type": "track"}
    assert platform.post("/v1/batch", {"batch": [call] * 8}, "key-slow").status_code == 200
    kept = len(platform.journal.touchpoints)
    answer = platform.post("/v1/batch", {"batch": [call] * 7}, "key-slow")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, "too_fast", "3")
    assert len(platform.journal.touchpoints) == kept
    assert platform.post("/v1/batch", {"batch": [call]}, "key-web").status_code == 200
    platform.now += 2_400
    assert platform.post("/v1/batch", {"batch": [call] * 7}, "key-slow").status_code == 429
    platform.now += 100
    assert platform.post("/v1/batch", {"batch": [call] * 7}, "key-slow").status_code == 200


def test_a_batch_larger_than_the_burst_waits_for_a_full_bucket_and_then_pays(platform: Platform) -> None:
    call = CALL | {"type": "track"}
    assert platform.post("/v1/batch", {"batch": [call] * 30}, "key-slow").status_code == 200
    answer = platform.post("/v1/track", CALL, "key-slow")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "11")


def test_what_cannot_be_made_durable_is_a_503(platform: Platform) -> None:
    platform.journal.full = True
    answer = platform.post("/v1/track", CALL)
    assert "disk is full" in refused(platform, answer, 503, "not_durable")
    assert answer.headers["retry-after"] == "3"


def test_a_browser_may_ask_first_and_send_from_anywhere(platform: Platform) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    answer = platform.request("OPTIONS", "/v1/track", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    for name in ("authorization", "content-type", "content-encoding"):
        assert name in answer.headers["access-control-allow-headers"]
    assert platform.post("/v1/track", CALL).headers["access-control-allow-origin"] == "*"


def test_a_body_that_does_not_arrive_is_a_408() -> None:
    platform = Platform(Limits(body_seconds=0.01))

    async def stalling() -> Any:
        import asyncio

        yield b'{"userId":'
        await asyncio.sleep(5)

    answer = platform.request("POST", "/v1/track", content=stalling())
    refused(platform, answer, 408, "timeout")
