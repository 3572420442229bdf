"""What comes back of an e-mail over HTTP: touchpoints of the person it was sent to, and never an open door."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.automation.links import About, Kind, Links, key_of
from services.ingest.application import application
from services.ingest.sources import Limits
from services.runtime.mail_back.api import router
from tests.ingest.ingest_platform import Platform

LINKS = Links("", key_of("a secret of more than 24 characters"))


@pytest.fixture
def platform() -> Platform:
    return _platform()


def _platform() -> Platform:
    found = Platform(Limits())
    routers = [router(found.tracking, lambda: found.now, LINKS)]
    found.app = application(found.tracking, routers, list, found.registry)
    return found


def link(kind: Kind, **more: Any) -> str:
    return LINKS.link(About(kind, "main", "s1", "welcome", 0, "user_id:ann", **more))


def last(platform: Platform) -> dict[str, Any]:
    return platform.touchpoints[-1]


def test_the_pixel_tells_of_an_opening(platform: Platform) -> None:
    answer = platform.request("GET", link("open") + ".gif")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert "no-store" in answer.headers["cache-control"]
    made = last(platform)
    assert (made["event"], made["identifiers"], made["channel"]) == ("Email Opened", ["user_id:ann"], "email")
    assert made["properties"] == {"rule": "welcome", "step": 0, "send": "s1"}


def test_a_click_is_told_and_goes_where_the_link_says(platform: Platform) -> None:
    answer = platform.request("GET", link("click", url="https://shop.example/?a=1&b=2"))
    assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.example/?a=1&b=2")
    assert last(platform)["event"] == "Email Link Clicked"
    assert last(platform)["properties"]["url"] == "https://shop.example/?a=1&b=2"


def test_nobody_is_sent_on_by_a_link_that_is_not_ours(platform: Platform) -> None:
    stranger = Links("", key_of("another secret of so many characters"))
    theirs = stranger.link(About("click", "main", "s", "r", 0, "user_id:x", url="https://evil.example"))
    for path in (
        theirs,
        "/m/c/https://evil.example",
        "/m/c/x?url=https://evil.example",
        link("open").replace("/o/", "/c/"),
    ):
        answer = platform.request("GET", path)
        assert answer.status_code == 404 and "location" not in answer.headers
    assert not platform.touchpoints


def test_looking_at_the_page_unsubscribes_nobody(platform: Platform) -> None:
    for method in ("GET", "HEAD"):
        platform.request(method, link("unsubscribe"))
    assert not platform.touchpoints
    assert "<button>Unsubscribe</button>" in platform.request("GET", link("unsubscribe")).text
    chinese = platform.request("GET", link("unsubscribe"), headers={"accept-language": "zh-CN,zh;q=0.9"})
    assert "退订" in chinese.text


@pytest.mark.parametrize(
    "how",
    [
        {"data": {"List-Unsubscribe": "One-Click"}},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {},
    ],
    ids=["urlencoded", "multipart", "the button"],
)
def test_one_click_unsubscribes_without_redirect_or_cookie(platform: Platform, how: dict[str, Any]) -> None:
    for _ in range(2):
        answer = platform.request("POST", link("unsubscribe", purpose="newsletter"), **how)
        assert answer.status_code == 200 and "set-cookie" not in answer.headers
    made = last(platform)
    assert (made["event"], made["properties"]["purpose"]) == ("Email Unsubscribed", "newsletter")
    assert len({one["message_id"] for one in platform.touchpoints}) == 1


def test_who_says_yes_again_can_take_that_back_by_the_same_link(platform: Platform) -> None:
    for minutes in (0, 5):
        platform.now += minutes * 60_000
        platform.request("POST", link("unsubscribe"))
    assert len({one["message_id"] for one in platform.touchpoints}) == 2


def test_the_page_offers_to_end_all_e_mail_too(platform: Platform) -> None:
    platform.request("POST", link("unsubscribe", purpose="newsletter") + "?all=1")
    assert "purpose" not in last(platform)["properties"]


def test_what_cannot_be_kept_is_not_said_to_be_done(platform: Platform) -> None:
    platform.journal.full = True
    assert platform.request("POST", link("unsubscribe")).status_code == 503
    assert platform.request("GET", link("click", url="https://shop.example/")).status_code == 302
    assert platform.request("GET", link("open")).status_code == 200


@given(st.sampled_from(["/m/o/", "/m/c/", "/m/u/"]), st.text(max_size=300), st.sampled_from(["GET", "POST"]))
def test_whatever_is_asked_is_answered(prefix: str, rest: str, method: str) -> None:
    answer = SHARED.request(method, prefix + json.dumps(rest)[1:-1].replace("#", "").replace("?", ""))
    assert answer.status_code < 500 and answer.status_code != 302


SHARED = _platform()
