"""A call of another system as data, and its signature: Standard Webhooks 1.0.0 (standardwebhooks.com)."""

import base64
import hmac
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec
from pydantic import Field, model_validator

from services.automation.fields import Strict, Template, Url, Variable
from services.automation.templates import render
from services.errors import Rejected

LARGEST_BODY = 256 * 1024  # bytes
SHORTEST_SECRET = 24  # bytes, as the specification says


class WebhookStep(Strict):
    """A signed call of another system (Standard Webhooks). It is not a message to the person: no consent is asked.

    `data` replaces the profile and the touchpoint in the body with texts of its own, each a Liquid template.
    `secret_env` names the environment variable that holds the secret ("whsec_" and base64). `url_env` names one that
    holds the URL, for a URL that is a secret itself or differs between test and production.
    """

    url: Url | None = None
    url_env: Variable | None = None
    secret_env: Variable
    type: str | None = Field(None, pattern=r"^[A-Za-z0-9_.]+$", max_length=100)
    data: dict[str, Template] = Field({}, max_length=50)

    @model_validator(mode="after")
    def _goes_somewhere(self) -> "WebhookStep":
        if (self.url is None) == (self.url_env is None):
            raise ValueError("a webhook needs one of `url` and `url_env`")
        return self


class WebhookCall(msgspec.Struct, frozen=True, tag="webhook"):
    """One call to make. `id` is the same on every try, so the receiver can tell a repetition.

    Without `url`, the environment variable `url_env` holds it.
    """

    url: str
    id: str
    body: bytes
    secret_env: str
    url_env: str = ""


def webhook_id(key: str) -> str:
    """The id of a follow-up for its receiver: a function of the send key, without dots."""
    return "msg_" + blake2b(key.encode(), digest_size=16).hexdigest()


def make(step: WebhookStep, key: str, name: str, values: Mapping[str, Any], at: str) -> WebhookCall:
    """The call of this step. `at` (ISO 8601) is when the follow-up was decided.

    Raises Rejected: a template fails ("template"), the body is too large ("too_large").
    """
    if step.data:
        data: dict[str, Any] = {n: render(source, f"{name}, data.{n}", values) for n, source in step.data.items()}
    else:
        data = {part: values[part] for part in ("workspace", "rule", "audience", "profile", "touchpoint")}
        if values["account"]:
            data["account"] = values["account"]
    body = body_of(step.type or f"rule.{values['rule']}", at, data, name)
    return WebhookCall(step.url or "", webhook_id(key), body, step.secret_env, step.url_env or "")


def body_of(kind: str, at: str, data: Mapping[str, Any], name: str) -> bytes:
    """The body of a Standard Webhook. Raises Rejected ("too_large") for more than is sent."""
    body = msgspec.json.encode({"type": kind, "timestamp": at, "data": data})
    if len(body) > LARGEST_BODY:
        raise Rejected("too_large", f"{name}: the body has {len(body)} bytes; at most {LARGEST_BODY} are sent")
    return body


def signed(call: WebhookCall, secret: str, now: int) -> dict[str, str]:
    """The headers of one try at `now` (epoch ms). Raises Rejected (code "secret") when the secret is not one."""
    at = str(now // 1000)
    mac = hmac.digest(_key(secret, call.secret_env), b".".join((call.id.encode(), at.encode(), call.body)), "sha256")
    return {
        "content-type": "application/json",
        "webhook-id": call.id,
        "webhook-timestamp": at,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


def _key(secret: str, variable: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if len(key) < SHORTEST_SECRET:
        expected = f"`whsec_` and the base64 of {SHORTEST_SECRET} to 64 random bytes"
        raise Rejected("secret", f"the environment variable {variable} has to hold {expected}", field=variable)
    return key
