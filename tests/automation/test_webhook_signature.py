"""Webhooks as Standard Webhooks 1.0.0 wants them."""

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from services.automation.actions.webhook import WebhookCall, signed, webhook_id
from services.automation.follow_up import make
from services.automation.steps import Step
from services.errors import Rejected
from tests.automation.causes import ANN, NOON, actions, calling, cause, person, rule

# From the reference implementation's tests (standard-webhooks, libraries/python/tests/test_webhooks.py).
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KNOWN = WebhookCall("", "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', "CRM_SECRET")


@pytest.mark.parametrize("secret", [SECRET, SECRET.removeprefix("whsec_")])
def test_the_published_vector(secret: str) -> None:
    headers = signed(KNOWN, secret, 1614265330_999)
    assert headers["webhook-id"] == KNOWN.id
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.binary(min_size=24, max_size=64), st.text(min_size=1))
def test_the_reference_library_accepts_every_signature(key: bytes, send_key: str) -> None:
    call = WebhookCall("", webhook_id(send_key), json.dumps({"é": send_key}).encode(), "CRM_SECRET")
    secret = "whsec_" + base64.b64encode(key).decode()
    Webhook(secret).verify(call.body, signed(call, secret, int(time.time() * 1000)))
    assert "." not in call.id


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_äöü", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"]
)
def test_a_secret_that_is_none_is_told_by_the_variable_and_never_shown(secret: str) -> None:
    with pytest.raises(Rejected, match="CRM_SECRET has to hold") as refused:
        signed(KNOWN, secret, NOON)
    assert secret.removeprefix("whsec_")[:8] not in refused.value.reason or not secret.removeprefix("whsec_")


def call_of(**step: Any) -> WebhookCall:
    given = Step.model_validate(calling(**step))
    found = make(given, actions([rule(then=[calling()])], cause())[0], person(name="Ann"), NOON + 5)
    assert isinstance(found, WebhookCall)
    return found


def test_the_body_tells_type_time_person_and_touchpoint() -> None:
    body = json.loads(call_of().body)
    assert (body["type"], body["timestamp"]) == ("rule.thanks", "2023-11-14T22:13:20.000Z")
    assert body["data"]["profile"]["identifiers"] == [ANN] and body["data"]["profile"]["traits"] == {"name": "Ann"}
    assert body["data"]["touchpoint"]["properties"] == {"total": 12.5}
    assert body["data"]["touchpoint"]["message_id"] == "m1"


def test_own_data_replaces_the_person_and_is_never_anything_but_text() -> None:
    sent = call_of(type="order.thanked", data={"name": '{{ profile.traits.name }}", "x": 1', "total": "12"})
    assert json.loads(sent.body) == {
        "type": "order.thanked", "timestamp": "2023-11-14T22:13:20.000Z",
        "data": {"name": 'Ann", "x": 1', "total": "12"},
    }  # fmt: skip


def test_the_id_follows_from_the_send_key_alone() -> None:
    assert call_of().id == call_of(type="other.type").id == webhook_id("main/thanks/0//m1")
