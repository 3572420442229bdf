"""Meta's webhooks: WhatsApp Cloud API, and messages to a Facebook page or an Instagram account. Up to 1000 in a post.

Signature: `X-Hub-Signature-256: sha256=` and the HMAC-SHA256 of the body by the app secret, hexadecimal. Handshake:
https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

import hmac
from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import parse_qsl

import msgspec

from services.ingest.body import text
from services.ingest.webhooks.provider import Env, Event, Request, Secrets, Webhook

STATUSES = {
    "sent": "WhatsApp Message Sent",
    "delivered": "WhatsApp Message Delivered",
    "read": "WhatsApp Message Read",
    "played": "WhatsApp Message Played",
    "failed": "WhatsApp Message Failed",
    "deleted": "WhatsApp Message Deleted",
}
DIRECT = {"page": ("Messenger", "facebook_psid"), "instagram": ("Instagram", "instagram_id")}
_SIGNATURE = "x-hub-signature-256"

Object = dict[str, Any]


class _Value(msgspec.Struct):
    metadata: Object = {}
    contacts: list[Object] = []
    messages: list[Object] = []
    statuses: list[Object] = []


class _Change(msgspec.Struct):
    field: str = ""
    value: Any = None


class _Entry(msgspec.Struct):
    changes: list[_Change] = []
    messaging: list[Object] = []


class _Post(msgspec.Struct):
    object: str = ""
    entry: list[_Entry] = []


class _WhatsApp(msgspec.Struct):
    id: str
    timestamp: int
    status: str = ""
    recipient_id: str = ""
    sender: str = msgspec.field(default="", name="from")


class _Direct(msgspec.Struct):
    sender: dict[str, Any]
    timestamp: int
    message: Object


_post = msgspec.json.Decoder(_Post).decode


class Meta(Webhook):
    """`secret_env` names the variable with the app secret, `verify_token_env` the one with the token you made up."""

    provider: Literal["meta"]
    secret_env: Env
    verify_token_env: Env

    def opened(self, request: Request, secrets: Secrets) -> bytes:
        """The body."""
        wanted = "sha256=" + hmac.digest(secrets["secret"].encode(), request.body, "sha256").hex()
        if not hmac.compare_digest(wanted, request.headers[_SIGNATURE]):
            raise ValueError("the signature is not that of this body")
        return request.body

    def challenge(self, request: Request, secrets: Secrets) -> bytes:
        """What Meta sent to be sent back, if it knows the token."""
        asked = dict(parse_qsl(request.query, max_num_fields=50))
        known = hmac.compare_digest(asked["hub.verify_token"].encode(), secrets["verify_token"].encode())
        if not known or asked["hub.mode"] != "subscribe":
            raise ValueError("the verify token is another")
        return asked["hub.challenge"].encode()

    def items(self, content: bytes) -> Iterable[Object]:
        """Every message and status of every entry, with what stands around it."""
        post = _post(text(content))
        for entry in post.entry:
            yield from ({"object": post.object, "direct": one} for one in entry.messaging)
            for change in entry.changes:
                yield from _cut(change)

    def event(self, item: Object) -> Event:
        """A message's or status's own fields are the properties, beside the business's number and the sender's name."""
        if "direct" in item:
            return _direct(item["object"], item["direct"])
        if "whatsapp" in item:
            return _whatsapp(item["whatsapp"], item["metadata"], item["contact"])
        raise ValueError(
            f"this change of {item['field']!r:.80} has no messages and no statuses: subscribe to those only"
        )


def _cut(change: _Change) -> Iterable[Object]:
    value = msgspec.convert(change.value, _Value) if change.field == "messages" else _Value()
    if not value.messages and not value.statuses:
        yield {"field": change.field, "value": change.value}
    senders = {str(contact.get("wa_id")): contact for contact in value.contacts}
    for told in (*value.messages, *value.statuses):
        contact = senders.get(str(told.get("from")), {})
        yield {"whatsapp": told, "metadata": value.metadata, "contact": contact}


def _whatsapp(given: Object, metadata: Object, contact: Object) -> Event:
    """`from` is a telephone number without its plus; `wa_id` and `recipient_id` are WhatsApp's ids, mostly the same."""
    told, properties = msgspec.convert(given, _WhatsApp, strict=False), metadata | given
    at = told.timestamp * 1000
    if told.status:
        name = STATUSES.get(told.status, "WhatsApp Message Status Changed")
        return Event(
            name, f"whatsapp:{told.id}:{told.status}", at, _filled(("whatsapp_id", told.recipient_id)), properties
        )
    if isinstance(profile := contact.get("profile"), dict):
        properties["profile_name"] = profile.get("name")
    who = _filled(
        ("phone", told.sender and f"+{told.sender}"), ("whatsapp_id", str(contact.get("wa_id") or told.sender))
    )
    return Event("WhatsApp Message Received", f"whatsapp:{told.id}", at, who, properties)


def _direct(network: str, given: Object) -> Event:
    """A message to the page or account. An echo is one of our own: it was sent to the recipient."""
    told = msgspec.convert(given, _Direct)
    title, kind = DIRECT.get(network, DIRECT["page"])
    echo = told.message.get("is_echo") is True
    who = msgspec.convert(given.get("recipient"), Object) if echo else told.sender
    name = f"{title} Message {'Sent' if echo else 'Received'}"
    mid = str(told.message.get("mid", ""))
    return Event(name, mid and f"meta:{mid}", told.timestamp, _filled((kind, str(who.get("id", "")))), given)


def _filled(*who: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(one for one in who if one[1])
