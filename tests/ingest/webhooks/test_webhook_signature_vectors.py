"""The published vectors of the four providers: each is accepted, or refused, as its source says."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature

from services.ingest.webhooks.meta import Meta
from services.ingest.webhooks.provider import Request, Secrets, Webhook
from services.ingest.webhooks.sendgrid import SendGrid
from services.ingest.webhooks.twilio import Twilio
from services.ingest.webhooks.wecom import WeCom

VECTORS = json.loads((Path(__file__).parent / "signature_vectors.json").read_text(encoding="utf-8"))["vectors"]
BODIES = [vector for vector in VECTORS if "echostr" not in vector.get("query", {})]
HANDSHAKES = [vector for vector in VECTORS if "echostr" in vector.get("query", {})]
DAY = 24 * 3_600_000


def test_every_provider_has_vectors_that_are_accepted_and_some_that_are_refused() -> None:
    found = {(vector["id"].partition(".")[0], vector["expected"]) for vector in VECTORS}
    assert found == {(name, how) for name in ("sendgrid", "twilio", "meta", "wecom") for how in ("accept", "reject")}


def reading(vector: dict[str, Any]) -> tuple[Webhook, Secrets]:
    """The vector's provider with its options, and its secrets."""
    match vector["id"].partition(".")[0]:
        case "sendgrid":
            return SendGrid(provider="sendgrid", secret_env="KEY"), {"secret": vector["public_key_spki_b64"]}
        case "twilio":
            url = vector["url"].partition("?")[0]
            return Twilio(provider="twilio", secret_env="TOKEN", url=url), {"secret": vector["secret"]}
        case "meta":
            meta = Meta(provider="meta", secret_env="SECRET", verify_token_env="TOKEN")
            return meta, {"secret": vector["secret"], "verify_token": "t"}
    wecom = WeCom(provider="wecom", token_env="TOKEN", aes_key_env="KEY", corp_id=vector["receive_id"])
    return wecom, {"token": vector["token"], "aes_key": vector["encoding_aes_key"]}


def request(vector: dict[str, Any], later: int = 0) -> Request:
    """The vector's request, that many ms after the time that it says, if it says one."""
    headers = {name.lower(): value for name, value in vector.get("headers", {}).items()}
    query = urlencode(vector.get("query", {})) or urlsplit(vector.get("url", "")).query
    body = vector.get("body") or ""
    if vector.get("params"):
        pairs = vector["params"]
        body = urlencode(pairs if isinstance(pairs, dict) else [(name, value) for name, value in pairs])
        headers["content-type"] = "application/x-www-form-urlencoded"
    elif "url" in vector:
        headers["content-type"] = "application/json"
    said = headers.get("x-twilio-email-event-webhook-timestamp", vector.get("query", {}).get("timestamp", "0"))
    return Request(headers, query, body.encode(), int(said) * 1000 + later)


@pytest.mark.parametrize("vector", BODIES, ids=lambda vector: vector["id"])
def test_a_published_request_is_judged_as_published(vector: dict[str, Any]) -> None:
    webhook, secrets = reading(vector)
    webhook.check(secrets)
    if vector["expected"] == "reject":
        with pytest.raises((ValueError, InvalidSignature)):
            webhook.opened(request(vector), secrets)
        return
    content = webhook.opened(request(vector), secrets)
    if isinstance(vector.get("params"), dict):
        assert json.loads(content) == vector["params"]
    elif "params" not in vector or vector.get("body"):
        assert content.decode() == vector.get("expected_plaintext", vector["body"])


@pytest.mark.parametrize("vector", HANDSHAKES, ids=lambda vector: vector["id"])
def test_a_published_handshake_is_answered_as_published(vector: dict[str, Any]) -> None:
    webhook, secrets = reading(vector)
    if vector["expected"] == "reject":
        with pytest.raises(ValueError, match="signature"):
            webhook.challenge(request(vector), secrets)
    else:
        assert webhook.challenge(request(vector), secrets) == vector["expected_plaintext"].encode()


SIGNED_TIMES = [one for one in BODIES if one["expected"] == "accept" and one["id"].startswith(("sendgrid", "wecom"))]


@pytest.mark.parametrize("vector", SIGNED_TIMES, ids=lambda vector: vector["id"])
@pytest.mark.parametrize(("days", "right"), [(1, True), (3, False), (-3, False)])
def test_a_signed_time_counts_for_two_days(vector: dict[str, Any], days: int, right: bool) -> None:
    webhook, secrets = reading(vector)
    if right:
        assert webhook.opened(request(vector, days * DAY), secrets)
    else:
        with pytest.raises(ValueError, match="not near"):
            webhook.opened(request(vector, days * DAY), secrets)
