"""What is not the provider's is a 401 and leaves nothing behind; what is not set up says what to do."""

import asyncio
import re
from typing import Any

import pytest

from services.commands.demo.callbacks import Callback, twilio
from services.ingest.sources import Limits
from services.ingest.webhooks import receive
from tests.ingest.webhooks.webhook_platform import (
    ENVIRONMENT,
    SECONDS,
    SENDGRID,
    SIGNED,
    SOURCES,
    WECOM,
    WebhookPlatform,
    call,
    handshake,
    meta,
    sendgrid,
    wecom,
)

EVENT = {"email": "ann@example.com", "timestamp": SECONDS, "event": "open", "sg_event_id": "1"}
STATUS = {"id": "wamid.2", "status": "read", "timestamp": str(SECONDS), "recipient_id": "14158675309"}
POST = {"object": "x", "entry": [{"changes": [{"field": "messages", "value": {"statuses": [STATUS]}}]}]}
GOOD = {
    "mails": sendgrid(EVENT),
    "calls": call(CallSid="CA1", From="+14158675309", CallStatus="ringing", Direction="inbound"),
    "chats": meta(POST),
    "wecom": wecom(FromUserName="wmAJ2GCAAAXtWyujaWJHDDGi0mACAAAA", CreateTime=str(SECONDS), MsgType="text", MsgId="1"),
}


@pytest.fixture
def platform() -> WebhookPlatform:
    return WebhookPlatform()


def refused(platform: WebhookPlatform, source: str, callback: Callback) -> None:
    answer = platform.called(source, callback)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert not platform.touchpoints
    assert not platform.rejected


@pytest.mark.parametrize("source", SIGNED)
def test_what_is_signed_is_taken_once_though_it_comes_twice(platform: WebhookPlatform, source: str) -> None:
    assert len(platform.told(source, GOOD[source])) == 1
    platform.told(source, GOOD[source])
    assert f'rapport_ingest_items_total{{source="{source}",verdict="duplicate"}} 1.0' in (
        platform.request("GET", "/metrics").text
    )


@pytest.mark.parametrize("source", SIGNED)
def test_without_its_signature_it_is_refused(platform: WebhookPlatform, source: str) -> None:
    refused(platform, source, GOOD[source]._replace(query="", headers={}))


@pytest.mark.parametrize("source", SIGNED)
def test_with_a_byte_changed_it_is_refused(platform: WebhookPlatform, source: str) -> None:
    body = GOOD[source].body
    middle = len(body) // 2
    refused(platform, source, GOOD[source]._replace(body=body[:middle] + b"0" + body[middle:]))


@pytest.mark.parametrize("source", SIGNED)
def test_signed_for_one_provider_it_is_refused_by_the_others(platform: WebhookPlatform, source: str) -> None:
    for other in SIGNED:
        if other != source:
            refused(platform, other, GOOD[source])


@pytest.mark.parametrize(("days", "status"), [(-3, 401), (-1, 200), (1, 200), (3, 401)])
def test_what_was_signed_long_ago_is_a_replay(platform: WebhookPlatform, days: int, status: int) -> None:
    then = SECONDS + days * 86_400
    old = SENDGRID.posted([EVENT], then), WECOM.posted("<xml/>", then)
    assert [platform.called(*one).status_code for one in zip(("mails", "wecom"), old, strict=True)] == [status] * 2


def test_twilio_signs_the_configured_url_and_not_the_one_that_the_request_names(platform: WebhookPlatform) -> None:
    form = {"CallSid": "CA1", "From": "+14158675309", "CallStatus": "ringing"}
    refused(platform, "calls", twilio("twilio-token", "http://rapport/v1/webhooks/calls", form))


def test_twilio_json_of_another_hash_is_refused(platform: WebhookPlatform) -> None:
    signed = twilio("twilio-token", "https://shop.example/v1/webhooks/calls", {})
    headers = {**signed.headers, "Content-Type": "application/json"}
    refused(platform, "calls", Callback("", headers, b'{"CallSid":"CA1"}'))


def test_a_message_for_another_corp_is_refused(platform: WebhookPlatform) -> None:
    refused(platform, "wecom", WECOM._replace(corp_id="another").posted("<xml/>", SECONDS))


def test_the_handshake_of_meta_is_answered_to_who_knows_the_token(platform: WebhookPlatform) -> None:
    answer = platform.request("GET", handshake("meta-token"))
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    assert platform.request("GET", handshake("another")).status_code == 401


def test_the_handshake_of_wecom_is_answered_with_what_was_encrypted(platform: WebhookPlatform) -> None:
    encrypted = WECOM.encrypted(b"1616140317555161061")
    path = f"/v1/webhooks/wecom?{WECOM.query(encrypted, SECONDS, echostr=encrypted)}"
    assert platform.request("GET", path).text == "1616140317555161061"
    assert platform.request("GET", path.replace("echostr=", "echostr=A")).status_code == 401


@pytest.mark.parametrize("source", ["mails", "calls"])
def test_who_has_no_handshake_says_so(platform: WebhookPlatform, source: str) -> None:
    answer = platform.request("GET", f"/v1/webhooks/{source}")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("name", ["nobody", "web", "a" * 500, "%00"])
def test_an_unknown_address_is_a_404(platform: WebhookPlatform, name: str) -> None:
    assert platform.request("POST", f"/v1/webhooks/{name}", content=b"{}").status_code == 404


@pytest.mark.parametrize(
    ("source", "said"), [("silent", "NOT_SET must be set in the environment"), ("mistyped", "begins with MFkw")]
)
def test_a_source_without_its_secrets_is_not_ready_and_says_which(
    platform: WebhookPlatform, source: str, said: str
) -> None:
    answer = platform.called(source, GOOD["mails"])
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert said in answer.json()["message"]
    assert not any(secret in answer.text for secret in ENVIRONMENT.values())


def test_an_aes_key_of_another_length_is_seen_at_the_start() -> None:
    known = receive.addresses(SOURCES, ENVIRONMENT | {"WECOM_AES": "short"})
    assert "43 letters and digits" in known["wecom"].lacks


def test_when_nothing_can_be_kept_the_provider_is_asked_to_come_again(platform: WebhookPlatform) -> None:
    platform.journal.full = True
    for source, callback in GOOD.items():
        answer = platform.called(source, callback)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    broken = platform.called("mails", SENDGRID.signed(b"no json", SECONDS))
    assert (broken.status_code, broken.headers["retry-after"]) == (503, "3")


def test_a_body_beyond_all_bounds_is_refused_before_it_is_looked_at(platform: WebhookPlatform) -> None:
    assert platform.called("mails", SENDGRID.signed(b" " * (receive.LARGEST + 1), SECONDS)).status_code == 413


def test_an_event_beyond_the_limit_is_rejected_and_costs_no_other() -> None:
    platform = WebhookPlatform(Limits(event_bytes=1_000))
    large = EVENT | {"sg_event_id": "2", "reason": "x" * 2_000}
    assert len(platform.told("mails", sendgrid(large, EVENT))) == 1
    assert [(one["code"], one["kind"]) for one in platform.rejected] == [("too_large", "webhook")]


def test_the_routes_are_described_with_their_answers(platform: WebhookPlatform) -> None:
    path = platform.request("GET", "/openapi.json").json()["paths"]["/v1/webhooks/{source}"]
    assert {"200", "401", "404", "405", "503"} <= set(path["get"]["responses"])
    assert {"200", "401", "404", "408", "413", "429", "503"} <= set(path["post"]["responses"])


def test_requests_are_counted_by_status(platform: WebhookPlatform) -> None:
    platform.told("mails", GOOD["mails"])
    platform.called("mails", GOOD["chats"])
    counted = dict(re.findall(r'requests_total\{status="(\d+)"\} (\d+)', platform.request("GET", "/metrics").text))
    assert counted == {"200": "1", "401": "1"}


@pytest.mark.parametrize("source", SIGNED)
@pytest.mark.parametrize(("host", "query"), [(b"[", b""), (b"\xff", b"timestamp=\xff\xfe"), (b"", b"%ff&&=")])
def test_no_host_and_no_query_is_more_than_a_401(
    platform: WebhookPlatform, source: str, host: bytes, query: bytes
) -> None:
    """As a socket sends them: httpx would refuse to."""
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    path = f"/v1/webhooks/{source}"
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": path, "root_path": ""}
    more = {"raw_path": path.encode(), "query_string": query, "headers": [(b"host", host)], "server": ("x", 80)}
    asyncio.run(platform.app(scope | more, receive, send))
    assert said[0]["status"] == 401
