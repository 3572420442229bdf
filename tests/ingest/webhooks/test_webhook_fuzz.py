"""Whatever comes to a webhook, signed or not, it is answered: never a 5xx, and all that is signed is on the log."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas import fast
from tests.ingest.webhooks.test_webhook_refusals import GOOD
from tests.ingest.webhooks.webhook_platform import SIGNED, Callback, WebhookPlatform, signed

hostile = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
sources = st.sampled_from(SIGNED)
HEADERS = (
    *("X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp", "X-Twilio-Signature"),
    *("X-Hub-Signature-256", "Content-Type", "Content-Encoding", "Content-Length"),
)
PARAMETERS = (
    *("msg_signature", "timestamp", "nonce", "echostr", "hub.mode", "hub.verify_token", "hub.challenge"),
    "bodySHA256",
)
latin = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
headers = st.dictionaries(st.sampled_from(HEADERS[:-1]), latin, max_size=4)
queries = st.lists(st.tuples(st.sampled_from(PARAMETERS), latin), max_size=6)
numbers = (
    st.integers() | st.sampled_from([10**400, 2**63, -1, 1e308]) | st.floats(allow_nan=False, allow_infinity=False)
)
text = st.text(max_size=8) | st.sampled_from(["", "\0", "\ud83d", "9" * 400, "open", "bounce", "read"])
anything = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("email", "event", "sg_event_id", "timestamp", "type")
mail = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, anything))
TOLD = ("id", "from", "timestamp", "status", "recipient_id")
told = st.fixed_dictionaries({}, optional=dict.fromkeys(TOLD, anything)) | anything
values = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(told, max_size=2),
        "statuses": st.lists(told, max_size=2) | anything,
        "contacts": anything | st.lists(st.dictionaries(st.sampled_from(["wa_id", "profile"]), anything), max_size=2),
        "metadata": anything,
    },
)
direct = st.fixed_dictionaries({}, optional=dict.fromkeys(("sender", "recipient", "timestamp", "message"), anything))
entries = st.fixed_dictionaries(
    {},
    optional={
        "messaging": st.lists(direct, max_size=2) | anything,
        "changes": st.lists(st.fixed_dictionaries({"field": st.just("messages"), "value": values}), max_size=2),
    },
)
posts = st.fixed_dictionaries({"object": text, "entry": st.lists(entries, max_size=2) | anything})
NAMES = ("CallSid", "CallStatus", "From", "To", "Direction", "Timestamp", "MessageSid", "MessageStatus", "SmsStatus")
callbacks = st.dictionaries(st.sampled_from(NAMES), text | numbers, max_size=6)
contents = st.lists(mail, max_size=3) | posts | callbacks | anything
TAGS = ("CreateTime", "MsgType", "MsgId", "Event", "ChangeType", "FromUserName", "ExternalUserID")
elements = st.dictionaries(st.sampled_from(TAGS), st.sampled_from(["event", "7", "", "9" * 400, "<a/>", "&x;", "wm"]))
BOMB = b'<!DOCTYPE z [<!ENTITY a "ha">' + b'<!ENTITY b "&a;&a;&a;">' * 9 + b"]><xml><CreateTime>&b;</CreateTime></xml>"
DEEP = b"<a>" * 100_000 + b"</a>" * 100_000


@pytest.fixture(scope="module")
def platform() -> WebhookPlatform:
    """One for all examples."""
    return WebhookPlatform()


def kept(platform: WebhookPlatform, source: str, callback: Callback) -> int:
    """How many lines a genuine request made; all of them can be read."""
    before = len(platform.journal.touchpoints), len(platform.journal.rejected)
    answer = platform.called(source, callback)
    assert answer.status_code == 200, answer.text
    accepted, rejected = platform.journal.touchpoints[before[0] :], platform.journal.rejected[before[1] :]
    for line in accepted:
        assert fast.loads(line)["trust"] == "signed"
    for line in rejected:
        assert fast.loads(line)["kind"] == "webhook"
        assert fast.loads(line)["reason"]
    return len(accepted) + len(rejected)


@hostile
@given(st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS"]), sources, headers, queries, st.binary(max_size=200))
def test_hostile_requests_are_refused(
    platform: WebhookPlatform, method: str, source: str, headers: dict[str, str], query: Any, body: bytes
) -> None:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = platform.request(method, f"/v1/webhooks/{source}", headers=encoded, params=query, content=body)
    assert answer.status_code in (400, 401, 405)


@hostile
@given(sources, st.integers(0, 10_000), st.binary(min_size=1, max_size=3), st.sampled_from(["body", "query", "header"]))
def test_a_good_request_that_was_changed_is_refused_or_says_the_same(
    platform: WebhookPlatform, source: str, at: int, noise: bytes, where: str
) -> None:
    good = GOOD[source]
    if where == "body":
        at %= len(good.body)
        changed = good._replace(body=good.body[:at] + noise + good.body[at + len(noise) :])
    elif where == "query":
        at %= len(good.query) + 1
        changed = good._replace(query=good.query[:at] + noise.hex() + good.query[at:])
    else:
        changed = good._replace(headers={name: value[::-1] for name, value in good.headers.items()})
    before = set(platform.journal.touchpoints)
    status = platform.called(source, changed).status_code
    assert status in (200, 401)
    if status == 200:  # XML around the ciphertext, another name for the same form
        ids = [fast.loads(line)["message_id"] for line in platform.journal.touchpoints if line not in before]
        assert set(ids) <= {"sendgrid:1", "twilio:CA1:ringing", "whatsapp:wamid.2:read", "wecom:1"}


@hostile
@given(sources, contents)
@example("mails", [{"email": "a@b.example", "event": "open", "sg_event_id": "x", "timestamp": 10**30}])
@example("mails", [{"email": "a@b.example", "event": "open", "sg_event_id": "\0", "timestamp": 1_769_999_999}])
@example("chats", {"object": "page", "entry": [{"changes": [{"field": "messages", "value": [1]}]}]})
@example("calls", {"CallSid": "CA1", "From": "+14158675309", "Timestamp": "Mon, 1 Jan 0001 00:00:00 +2359"})
@example("calls", {"CallSid": "CA1", "From": "+14158675309", "Timestamp": "x"})
def test_signed_content_of_any_shape_is_on_the_log_accepted_or_rejected(
    platform: WebhookPlatform, source: str, content: Any
) -> None:
    body = json.dumps(content).encode()
    lines = kept(platform, source, signed(source, body))
    if source == "mails":
        assert lines == (len(content) if isinstance(content, list) else 1)
    elif source in ("calls", "wecom"):
        assert lines == 1


@hostile
@given(
    sources, st.binary(max_size=120) | st.sampled_from([BOMB, DEEP, b"[" * 200_000, b'{"a":' * 50_000, b"\xff", b""])
)
def test_signed_bytes_of_no_shape_are_kept_as_they_came(platform: WebhookPlatform, source: str, body: bytes) -> None:
    assert kept(platform, source, signed(source, body)) >= (0 if body.strip() in (b"[]", b"{}") else 1)


@hostile
@given(elements)
def test_signed_xml_of_any_elements_is_on_the_log(platform: WebhookPlatform, told: dict[str, str]) -> None:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in told.items())
    assert kept(platform, "wecom", signed("wecom", f"<xml>{inner}</xml>".encode())) == 1
