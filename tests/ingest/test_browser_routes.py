"""What web pages fetch: the settings of Segment's SDK and our script. Other origins may read that, and nothing else."""

import gzip
from pathlib import Path

import pytest
from fastapi import APIRouter
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sources import Limits
from tests.ingest.ingest_platform import Platform

SCRIPT = Path(__file__).parents[2] / "sdk" / "web" / "rapport.min.js"
ORIGIN = {"origin": "https://shop.example"}
SETTINGS = "/v1/projects/key-web/settings"


@pytest.mark.parametrize(
    ("headers", "host", "protocol"),
    [
        ({"host": "127.0.0.1:8080"}, "127.0.0.1:8080", "http"),
        ({"host": "events.example.com", "x-forwarded-proto": "https"}, "events.example.com", "https"),
        ({"host": "[::1]:8080"}, "[::1]:8080", "http"),
    ],
)
def test_the_settings_send_to_where_they_came_from(
    platform: Platform, headers: dict[str, str], host: str, protocol: str
) -> None:
    answer = platform.request("GET", SETTINGS, headers={**headers, **ORIGIN})
    told = answer.json()
    assert told["integrations"] == {
        "Segment.io": {"apiKey": "key-web", "apiHost": f"{host}/v1", "protocol": protocol}
    }  # fmt: skip
    assert told["metrics"] == {"sampleRate": 0}
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "private" in answer.headers["cache-control"]


@pytest.mark.parametrize(("key", "code"), [("key-nobodys", "unknown_key"), ("key-shop", "trusted_key")])
def test_only_keys_for_browsers_have_settings(platform: Platform, key: str, code: str) -> None:
    answer = platform.request("GET", f"/v1/projects/{key}/settings", headers=ORIGIN)
    assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert answer.headers["access-control-allow-origin"] == "*"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30))
def test_whatever_host_is_named_the_settings_are_no_5xx(host: str) -> None:
    answer = Platform(Limits()).request("GET", SETTINGS, headers={"host": host})
    assert answer.status_code in (200, 400)


def test_statistics_of_the_sdk_are_taken_and_dropped(platform: Platform) -> None:
    answer = platform.request("POST", "/v1/m", content=b'{"series":[]}', headers=ORIGIN)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert not platform.touchpoints + platform.rejected


def test_a_page_may_read_how_long_to_wait(platform: Platform) -> None:
    platform.journal.full = True
    answer = platform.post("/v1/track", {"userId": "u1", "event": "e"})
    assert (answer.status_code, answer.headers["access-control-expose-headers"]) == (503, "retry-after")


def test_the_script_is_served_small_and_kept_by_browsers(platform: Platform) -> None:
    zipped = platform.request("GET", "/rapport.js", headers={"accept-encoding": "gzip, br"})
    plain = platform.request("GET", "/rapport.js", headers={"accept-encoding": "identity"})
    assert zipped.content == plain.content == SCRIPT.read_bytes()
    assert (zipped.headers["content-encoding"], zipped.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert zipped.headers["content-type"].startswith("text/javascript")
    assert "max-age=3600" in zipped.headers["cache-control"]
    again = platform.request("GET", "/rapport.js", headers={"if-none-match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert platform.request("HEAD", "/rapport.js").status_code == 200


def test_the_script_is_less_than_5_kb_compressed() -> None:
    assert len(gzip.compress(SCRIPT.read_bytes())) < 5_000


def test_no_other_answer_may_be_read_by_pages_of_other_origins() -> None:
    router = APIRouter()
    router.add_api_route("/v1/profiles/x", lambda: "somebody")
    router.add_api_route("/admin/orders", lambda: "done", methods=["POST"])
    platform = Platform(Limits(), [router])
    for method, path in [("GET", "/v1/profiles/x"), ("POST", "/admin/orders"), ("GET", "/metrics"), ("GET", "/docs")]:
        for asked in (method, "OPTIONS"):
            headers = {**ORIGIN, "access-control-request-method": method}
            answer = platform.request(asked, path, headers=headers)
            assert answer.status_code == (405 if asked == "OPTIONS" else 200)
            assert "access-control-allow-origin" not in answer.headers
