"""A tracking API with a webhook source per provider, and callbacks signed as the providers sign them."""

import hmac
import json
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import httpx

from services.commands.demo.callbacks import Callback, SendGridKey, WeComKeys, twilio
from services.ingest.application import application
from services.ingest.sources import Limits, Source
from services.ingest.webhooks import receive
from tests.ingest.ingest_platform import NOW, Platform

SECONDS = NOW // 1000
TWILIO_URL = "https://shop.example/v1/webhooks/calls"
SENDGRID, WECOM = SendGridKey(), WeComKeys.made("ww1234567890abcdef")
SOURCES = tuple(
    Source.model_validate({"name": name, "channel": channel, "webhook": webhook})
    for name, channel, webhook in (
        ("mails", "email", {"provider": "sendgrid", "secret_env": "SENDGRID_KEY"}),
        ("calls", "call", {"provider": "twilio", "secret_env": "TWILIO_TOKEN", "url": TWILIO_URL}),
        ("chats", "social", {"provider": "meta", "secret_env": "META_SECRET", "verify_token_env": "META_TOKEN"}),
        (
            "wecom",
            "social",
            {"provider": "wecom", "token_env": "WECOM_TOKEN", "aes_key_env": "WECOM_AES", "corp_id": WECOM.corp_id},
        ),
        ("silent", "email", {"provider": "sendgrid", "secret_env": "NOT_SET"}),
        ("mistyped", "email", {"provider": "sendgrid", "secret_env": "META_TOKEN"}),
    )
)
SIGNED = ("mails", "calls", "chats", "wecom")
ENVIRONMENT = {
    "SENDGRID_KEY": SENDGRID.public,
    "TWILIO_TOKEN": "twilio-token",
    "META_SECRET": "meta-secret",
    "META_TOKEN": "meta-token",
    "WECOM_TOKEN": WECOM.token,
    "WECOM_AES": WECOM.aes_key,
}


class WebhookPlatform(Platform):
    """The platform of the tracking API's tests, with the routes of webhooks."""

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits or Limits())
        self.receiving(receive.addresses(SOURCES, ENVIRONMENT))

    def receiving(self, known: dict[str, receive.Address]) -> None:
        """Receive webhooks at these addresses."""
        router = receive.router(self.tracking, self.journal, lambda: self.now, known)
        self.app: Any = application(self.tracking, [router], lambda: self.reasons, self.registry)

    def called(self, source: str, callback: Callback) -> httpx.Response:
        """The answer to a callback at the source's address."""
        path = f"/v1/webhooks/{source}" + (f"?{callback.query}" if callback.query else "")
        return self.request("POST", path, content=callback.body, headers=callback.headers)

    def told(self, source: str, callback: Callback) -> list[dict[str, Any]]:
        """The touchpoints of a callback that must be answered with 200."""
        before = len(self.journal.touchpoints)
        answer = self.called(source, callback)
        assert answer.status_code == 200, answer.text
        return self.touchpoints[before:]


def sendgrid(*events: Any) -> Callback:
    return SENDGRID.posted(events, SECONDS)


def call(**form: str) -> Callback:
    return twilio("twilio-token", TWILIO_URL, form)


def meta(post: Any) -> Callback:
    return meta_bytes(json.dumps(post).encode())


def meta_bytes(body: bytes) -> Callback:
    signature = hmac.digest(b"meta-secret", body, "sha256").hex()
    return Callback("", {"X-Hub-Signature-256": f"sha256={signature}"}, body)


def wecom(**elements: str) -> Callback:
    inner = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in elements.items())
    return WECOM.posted(f"<xml>{inner}</xml>", SECONDS)


def signed(source: str, body: bytes) -> Callback:
    """Any content at all, as genuine as it can be at this source."""
    match source:
        case "mails":
            return SENDGRID.signed(body, SECONDS)
        case "chats":
            return meta_bytes(body)
        case "wecom":
            encrypted = WECOM.encrypted(body)
            return Callback(WECOM.query(encrypted, SECONDS), {}, f"<xml><Encrypt>{encrypted}</Encrypt></xml>".encode())
    hashed = "bodySHA256=" + sha256(body).hexdigest()
    headers = twilio("twilio-token", f"{TWILIO_URL}?{hashed}", {}).headers
    return Callback(hashed, {**headers, "Content-Type": "application/json"}, body)


def handshake(token: str) -> str:
    """The path at which Meta tries an address."""
    return "/v1/webhooks/chats?" + urlencode(
        {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"}
    )
