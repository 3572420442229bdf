"""An e-mail as bytes: pure, so the same follow-up is the same message, whenever and wherever it is made."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime, parseaddr
from hashlib import blake2b
from typing import Any

import msgspec

from services.automation.steps import EmailStep
from services.automation.templates import render
from services.errors import Rejected

LONGEST_SUBJECT = 500  # characters
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_NARROW = SMTP.clone(max_line_length=75, cte_type="7bit")  # an encoded word of RFC 2047 has at most 75


class Email(msgspec.Struct, frozen=True, tag="email"):
    """One message to one person, ready for SMTP. `sender` and `to` are the bare addresses of the envelope."""

    sender: str
    to: str
    message_id: str
    message: bytes


class _Wire(EmailPolicy):
    """SMTP's policy with long lines for ASCII headers and short ones for the rest.

    With the usual 78 columns Python turns a long token in List-Unsubscribe into encoded words, which no receiver can
    follow; with 998 it makes encoded words longer than the 75 characters that RFC 2047 allows.
    """

    def fold_binary(self, name: str, value: Any) -> bytes:
        if str(value).isascii():
            return super().fold_binary(name, value)
        folded: str = value.fold(policy=_NARROW)
        return folded.encode("ascii")


_WIRE = _Wire(linesep="\r\n", max_line_length=998, cte_type="7bit")


def make(step: EmailStep, key: str, name: str, values: Mapping[str, Any], now: int) -> Email:
    """The e-mail of this step for this person. `key` is the send key, `name` says where the step stands.

    Raises Rejected: a template fails ("template"), there is no usable address ("address").
    """
    sender_name, sender = parseaddr(_line(step.sender))
    to = render(step.to, f"{name}, to", values).strip() if step.to is not None else values["profile"]["email"]
    identity = blake2b(key.encode(), digest_size=16).hexdigest()
    try:
        message = EmailMessage(policy=_NARROW)
        message["From"] = Address(sender_name, addr_spec=_usable(sender, "the sender"))
        message["To"] = Address(addr_spec=_usable(to, "the person"))
        message["Subject"] = _line(render(step.subject, f"{name}, subject", values))[:LONGEST_SUBJECT]
        message["Date"] = format_datetime(datetime.fromtimestamp(now // 1000, UTC))
        message["Message-ID"] = f"<{identity}@{sender.rpartition('@')[2]}>"
        for header, source in step.headers.items():
            message[header] = _line(render(source, f"{name}, {header}", values))
        _fill(message, step, name, values, identity)
        return Email(sender, to, str(message["Message-ID"]), message.as_bytes(policy=_WIRE))
    except (MessageError, ValueError) as error:
        raise Rejected("address", f"{name}: the e-mail could not be made: {error}") from error


def _fill(message: EmailMessage, step: EmailStep, name: str, values: Mapping[str, Any], identity: str) -> None:
    text = render(step.text, f"{name}, text", values) if step.text else None
    html = render(step.html, f"{name}, html", values, html=True) if step.html else None
    if text is not None:
        message.set_content(text)
    if html is not None and text is None:
        message.set_content(html, subtype="html")
    elif html is not None:
        message.add_alternative(html, subtype="html")
        message.set_boundary(f"=_{identity}")  # Python would draw lots for it


def _line(text: str) -> str:
    """Text for one header: what could end the header's line is a space."""
    return _BREAKS.sub(" ", text).strip()


def _usable(address: str, whose: str) -> str:
    if not address:
        raise Rejected("address", f"no e-mail address of {whose} is known")
    if not _ADDRESS.match(address):
        raise Rejected("address", f"the e-mail address of {whose} is not one that plain SMTP can reach")
    return address
