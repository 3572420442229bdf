"""SendGrid's Event Webhook: what became of e-mails. A batch of events, signed with ECDSA.

Signature: ECDSA P-256 with SHA-256 over timestamp and body, DER, base64, as sendgrid-python verifies it
(sendgrid/helpers/eventwebhook). Events: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

from base64 import b64decode
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Literal

import msgspec

from schemas import fast
from services.ingest.body import text
from services.ingest.webhooks.provider import Env, Event, Request, Secrets, Webhook, fresh

NAMES = {
    "processed": "Email Processed",
    "deferred": "Email Deferred",
    "delivered": "Email Delivered",
    "bounce": "Email Bounced",
    "dropped": "Email Dropped",
    "open": "Email Opened",
    "click": "Email Link Clicked",
    "spamreport": "Email Marked as Spam",
    "unsubscribe": "Email Unsubscribed",
    "group_unsubscribe": "Email Unsubscribed",  # of a group of mailings, which asm_group_id names
    "group_resubscribe": "Email Resubscribed",
}
_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"


class _Event(msgspec.Struct):
    email: str
    event: str
    sg_event_id: str
    timestamp: int
    type: str = ""


_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_event = msgspec.json.Decoder(_Event, strict=False).decode


class SendGrid(Webhook):
    """`secret_env` names the variable with the verification key that SendGrid shows (base64 on one line)."""

    provider: Literal["sendgrid"]
    secret_env: Env

    def check(self, secrets: Secrets) -> None:
        """The key is a public key on the curve P-256."""
        _verifier(secrets["secret"])

    def opened(self, request: Request, secrets: Secrets) -> bytes:
        """The body, signed together with a time that is near."""
        signature, timestamp = request.headers[_SIGNATURE], request.headers[_TIMESTAMP]
        _verifier(secrets["secret"])(b64decode(signature, validate=True), timestamp.encode() + request.body)
        fresh(timestamp, request.at)
        return request.body

    def items(self, content: bytes) -> Iterable[msgspec.Raw]:
        """A JSON array of events."""
        return _items(text(content))

    def event(self, item: msgspec.Raw) -> Event:
        """The event's own fields are the properties; a bounce says whether it is `permanent`."""
        told, properties = _event(item), fast.loads(item)
        name = NAMES.get(told.event, "Email Event")
        if name == "Email Bounced":
            properties["permanent"] = told.type == "bounce"
        return Event(name, f"sendgrid:{told.sg_event_id}", told.timestamp * 1000, (("email", told.email),), properties)


@lru_cache(64)
def _verifier(written: str) -> Callable[[bytes, bytes], None]:
    """What raises when a signature is not this key's under what was signed.

    Imported here, because every command reads sources.yaml and few receive webhooks: 100 ms and 10 MB.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    with suppress(ValueError):
        key = load_der_public_key(b64decode(written, validate=True))
        if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
            return lambda signature, signed: key.verify(signature, signed, ECDSA(SHA256()))
    raise ValueError("expected the verification key of SendGrid's settings, one line that begins with MFkw")
