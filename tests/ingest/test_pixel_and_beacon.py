"""Calls without scripts or headers: a pixel's query, a beacon's text with the key in the query or the body."""

import json
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.ingest.pixel import GIF
from services.ingest.sources import Limits
from tests.ingest.ingest_platform import Platform

hostile = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
CALL = {"type": "track", "event": "Opened", "anonymousId": "a1"}


def pixel(platform: Platform, name: str = "track", /, **given: str) -> httpx.Response:
    answer = platform.request("GET", f"/v1/pixel/{name}.gif?{urlencode(given)}")
    assert answer.content == GIF
    assert answer.headers["content-type"] == "image/gif"
    assert "no-store" in answer.headers["cache-control"]
    return answer


def test_a_pixel_is_a_call_whose_fields_stand_in_the_query(platform: Platform) -> None:
    answer = pixel(
        platform, writeKey="key-web", event="Opened", anonymousId="a1", messageId="m1",
        **{"properties.mail": "Frühling 🎁", "context.campaign.source": "news", "properties.size": "7"},
    )  # fmt: skip
    (touchpoint,) = platform.touchpoints
    assert answer.status_code == 200
    assert (touchpoint["type"], touchpoint["event"], touchpoint["message_id"]) == ("track", "Opened", "m1")
    assert touchpoint["properties"] == {"mail": "Frühling 🎁", "size": "7"}
    assert touchpoint["context"] == {"campaign": {"source": "news"}}
    assert touchpoint["identifiers"] == ["anonymous_id:a1"]


def test_a_page_pixel_is_a_page_call(platform: Platform) -> None:
    pixel(platform, "page", writeKey="key-web", name="Home", userId="u1")
    assert [(one["type"], one["event"]) for one in platform.touchpoints] == [("page", "Home")]


def test_the_pixels_of_rudderstack_are_the_same(platform: Platform) -> None:
    query = "writeKey=key-web&anonymousId=a1&event=Opened&context.library.name=Rudderstack+AMP+SDK"
    assert platform.request("GET", f"/pixel/v1/track?{query}").content == GIF
    assert platform.touchpoints[0]["context"] == {"library": {"name": "Rudderstack AMP SDK"}}


def test_a_wrong_pixel_of_a_known_source_is_kept_among_the_rejected(platform: Platform) -> None:
    assert pixel(platform, writeKey="key-web", event="Opened").status_code == 200
    assert pixel(platform, writeKey="key-web", event="Opened", anonymousId="a1", traits="x").status_code == 200
    assert [one["code"] for one in platform.rejected] == ["no_identifier", "invalid_field"]
    assert not platform.touchpoints


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 401),
        ({"writeKey": "key-nobodys", "anonymousId": "a1", "event": "e"}, 401),
        ({"writeKey": "key-shop", "anonymousId": "a1", "event": "e"}, 401),
        ({"writeKey": "key-web", "anonymousId": "a1", "event": "e" * 40_000}, 414),
    ],
)
def test_what_is_not_kept_is_still_an_image_but_no_200(platform: Platform, given: dict[str, str], status: int) -> None:
    assert pixel(platform, **given).status_code == status
    assert not platform.touchpoints + platform.rejected


def test_a_pixel_is_limited_like_any_call_and_fetched_by_get_only(platform: Platform) -> None:
    statuses = [pixel(platform, writeKey="key-slow", anonymousId="a1", event="e").status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    assert platform.request("POST", "/v1/pixel/track.gif").status_code == 405


@pytest.mark.parametrize("path", ["/v1/track", "/v1/t"])
def test_a_beacon_may_carry_its_key_in_the_query(platform: Platform, path: str) -> None:
    answer = platform.request(
        "POST", f"{path}?writeKey=key-web", content=json.dumps(CALL), headers={"content-type": "text/plain"}
    )
    assert answer.json()["accepted"] == 1
    assert platform.touchpoints[0]["source"] == "web"


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/beacon/v1/batch"])
def test_a_beacon_may_be_a_batch_with_its_key_in_query_or_body(platform: Platform, path: str) -> None:
    body = {"batch": [CALL, {**CALL, "messageId": "m2"}]}
    assert platform.request("POST", f"{path}?writeKey=key-web", json=body).json()["accepted"] == 2
    assert platform.request("POST", path, json={**body, "writeKey": "key-web"}).json()["accepted"] == 1


def test_a_key_that_is_a_secret_is_not_taken_from_a_url(platform: Platform) -> None:
    answer = platform.request("POST", "/v1/track?writeKey=key-shop", json=CALL)
    assert answer.status_code == 401
    assert "URLs end up in logs" in answer.json()["message"]
    assert platform.post("/v1/track?writeKey=key-web", CALL, "key-shop").status_code == 200
    assert platform.touchpoints[0]["source"] == "shop"


names = st.sampled_from(
    ["writeKey", "event", "anonymousId", "userId", "properties", "traits.email", "timestamp", "context.a.b", "..", ""]
) | st.text(max_size=8)
values = st.text(max_size=20) | st.sampled_from(["key-web", "\0", "1e999", "{}", "a" * 600, "2026-01-31T12:00:00Z"])


@hostile
@given(st.sampled_from(["track", "page"]), st.lists(st.tuples(names, values), max_size=6))
@example("track", [("properties." + "." * 20_000, "deep"), ("anonymousId", "a1"), ("event", "e")])
@example("track", [("properties.a", "1"), ("properties.a.b", "2"), ("anonymousId", "a1"), ("event", "e")])
def test_whatever_a_pixel_says_it_is_an_image_and_on_the_log_once(name: str, said: list[tuple[str, str]]) -> None:
    platform = Platform(Limits())
    query = urlencode([("writeKey", "key-web"), *said], errors="surrogatepass")
    answer = platform.request("GET", f"/v1/pixel/{name}.gif?{query}")
    assert answer.content == GIF
    kept = len(platform.touchpoints) + len(platform.rejected)
    assert (answer.status_code, kept) in [(200, 1), (401, 0), (414, 0)]


@hostile
@given(
    st.sampled_from(["/v1/pixel/track.gif", "/v1/t", "/v1/batch", "/v1/projects/x/settings"]), st.binary(max_size=99)
)
def test_noise_in_a_query_is_never_a_5xx(shared_platform: Platform, path: str, noise: bytes) -> None:
    query = "".join(chr(byte) if 33 <= byte < 127 and byte != 35 else f"%{byte:02x}" for byte in noise)
    for method in ("GET", "POST"):
        assert shared_platform.request(method, f"{path}?{query}").status_code < 500
