"""Twilio's callbacks: calls, SMS, and WhatsApp messages sent through Twilio. Forms (or JSON), signed with HMAC-SHA1.

The algorithm is that of twilio-python (twilio/request_validator.py), whose vectors are in the tests: the URL as it is
configured at Twilio, then every name and value of the form in order. Twilio is not of one mind about the port, so the
URL counts with and without it. A body that is no form is signed by its hash, which stands in the query.
"""

import hmac
from base64 import b64decode
from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec
from pydantic import AfterValidator, Field

from schemas import fast
from services.ingest.webhooks.provider import Answer, Env, Event, Request, Secrets, Webhook

CALLS = {
    "queued": "Call Queued",
    "initiated": "Call Initiated",
    "ringing": "Call Started",
    "in-progress": "Call Answered",
    "completed": "Call Completed",
    "busy": "Call Missed",
    "no-answer": "Call Missed",
    "failed": "Call Failed",
    "canceled": "Call Canceled",
}
MESSAGES = {
    "accepted": "Accepted",
    "scheduled": "Scheduled",
    "queued": "Queued",
    "sending": "Sending",
    "sent": "Sent",
    "delivered": "Delivered",
    "undelivered": "Failed",
    "failed": "Failed",
    "canceled": "Canceled",
    "receiving": "Receiving",
    "received": "Received",
    "read": "Read",
}
NOBODY = ("+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253")  # "ANONYMOUS", "RESTRICTED", … spelt
_WHATSAPP = "whatsapp:"
_FIELDS = 1_000  # of one form
_FORM = "application/x-www-form-urlencoded"


class _Told(msgspec.Struct, rename="pascal"):
    call_sid: str = ""
    call_status: str = ""
    message_sid: str = ""
    sms_sid: str = ""
    message_status: str = ""
    sms_status: str = ""
    direction: str = ""
    timestamp: str = ""
    to: str = ""
    sender: str = msgspec.field(default="", name="From")


def _bare(url: str) -> str:
    if "?" in url or "#" in url:
        raise ValueError("leave out ? and # and what follows them: what is in the query is added as it comes")
    return url


class Twilio(Webhook):
    """`secret_env` names the variable with the primary auth token. `url` is this source's address as Twilio has it."""

    answer: ClassVar[Answer] = Answer(b'<?xml version="1.0" encoding="UTF-8"?><Response/>', "text/xml")
    provider: Literal["twilio"]
    secret_env: Env
    url: Annotated[str, Field(max_length=2_048, pattern=r"^https?://[^\s/?#@]+([/?#]\S*)?$"), AfterValidator(_bare)]

    def opened(self, request: Request, secrets: Secrets) -> bytes:
        """What was posted, as a JSON object."""
        signature = b64decode(request.headers["x-twilio-signature"], validate=True)
        url = f"{self.url}?{request.query}" if request.query else self.url
        form: list[tuple[str, str]] = []
        if request.headers.get("content-type", _FORM).partition(";")[0].strip().lower() == _FORM:
            form = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS)
        elif not _hashed(request.body, request.query):
            raise ValueError("the body is not the one whose hash is in the query")
        told = "".join(name + value for name, value in sorted(set(form)))
        key = secrets["secret"].encode()
        wanted = [hmac.digest(key, (one + told).encode(), "sha1") for one in _ports(url)]
        if not any(hmac.compare_digest(one, signature) for one in wanted):
            raise ValueError("the signature is not that of this form at this URL")
        return fast.dumps(dict(form)) if form else request.body

    def items(self, content: bytes) -> Iterable[dict[str, Any]]:
        """One callback, one item."""
        return [msgspec.json.decode(content, type=dict[str, Any])]

    def event(self, item: dict[str, Any]) -> Event:
        """The form's fields are the properties. Of one call or message, each status counts once."""
        told = msgspec.convert(item, _Told)
        if told.call_sid:
            status, sid, kind = told.call_status, told.call_sid, ""
            name, ours = CALLS.get(status, "Call Status Changed"), told.direction.startswith("outbound")
        else:
            status, sid = told.message_status or told.sms_status, told.message_sid or told.sms_sid
            kind = "WhatsApp Message" if told.sender.startswith(_WHATSAPP) else "SMS"
            name, ours = f"{kind} {MESSAGES.get(status, 'Status Changed')}", status not in ("receiving", "received")
        who = _known(told.to if ours else told.sender)
        return Event(name, f"twilio:{sid}:{status}" if sid else "", _millis(told.timestamp), who, item)


def _ports(url: str) -> tuple[str, str]:
    """The URL without and with its port, where the scheme's own is as good as named."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts._replace(netloc=host).geturl(), parts._replace(netloc=f"{host}:{port}").geturl()


def _hashed(body: bytes, query: str) -> bool:
    told = dict(parse_qsl(query, max_num_fields=_FIELDS)).get("bodySHA256", "")
    return hmac.compare_digest(told.encode(), sha256(body).hexdigest().encode())


def _known(address: str) -> tuple[tuple[str, str], ...]:
    """The identifiers of a number, or of `whatsapp:` and a number; none of a caller who withholds it."""
    number = address.removeprefix(_WHATSAPP)
    if number in NOBODY or not number.startswith("+"):
        return ()
    return (("phone", number), ("whatsapp_id", number[1:])) if address != number else (("phone", number),)


def _millis(timestamp: str) -> int | None:
    """RFC 2822, as calls have it; messages have none. "-0000" is UTC."""
    if not timestamp:
        return None
    moment = parsedate_to_datetime(timestamp)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1000
