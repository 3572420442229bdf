"""An e-mail as bytes: pure, so the same follow-up is the same message, whenever and wherever it is made."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr
from hashlib import blake2b
from typing import Any

import msgspec

from services.automation.steps import EmailStep
from services.automation.templates import render
from services.errors import Rejected

LONGEST_SUBJECT = 500  # characters
LONGEST_LINE = 998  # characters, RFC 5322
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_MIME = SMTP.clone(max_line_length=75, cte_type="7bit")


class Email(msgspec.Struct, frozen=True, tag="email"):
    """One message to one person, ready for SMTP. `sender` and `to` are the bare addresses of the envelope."""

    sender: str
    to: str
    message_id: str
    message: bytes


def make(step: EmailStep, key: str, name: str, values: Mapping[str, Any], now: int) -> Email:
    """The e-mail of this step for this person. `key` is the send key, `name` says where the step stands.

    Raises Rejected: a template fails ("template"), there is no usable address ("address"), a header is too long
    ("too_large").
    """
    called, address = parseaddr(_line(step.sender))
    sender = _usable(address, "the sender")
    to = render(step.to, f"{name}, to", values).strip() if step.to is not None else values["profile"]["email"]
    identity = blake2b(key.encode(), digest_size=16).hexdigest()
    headers = {
        "From": _named(called, sender),
        "To": _usable(to, "the person"),
        "Subject": _encoded("Subject", _line(render(step.subject, f"{name}, subject", values))[:LONGEST_SUBJECT]),
        "Date": format_datetime(datetime.fromtimestamp(now // 1000, UTC)),
        "Message-ID": f"<{identity}@{sender.rpartition('@')[2]}>",
    }
    for header, source in step.headers.items():
        headers[header] = _encoded(header, _line(render(source, f"{name}, {header}", values)))
    above = "".join(f"{header}: {value}\r\n" for header, value in headers.items())
    return Email(sender, to, headers["Message-ID"], above.encode("ascii") + _body(step, name, values, identity))


def _body(step: EmailStep, name: str, values: Mapping[str, Any], identity: str) -> bytes:
    """The texts with their MIME headers: seven bits, lines of at most 75 characters where they are encoded."""
    message = EmailMessage(policy=_MIME)
    text = render(step.text, f"{name}, text", values) if step.text else None
    html = render(step.html, f"{name}, html", values, html=True) if step.html else None
    if text is not None:
        message.set_content(text)
    if html is not None and text is None:
        message.set_content(html, subtype="html")
    elif html is not None:
        message.add_alternative(html, subtype="html")
        message.set_boundary(f"=_{identity}")  # Python would draw lots for it
    return message.as_bytes()


def _encoded(header: str, text: str) -> str:
    """A header's text as it goes over the wire: as it is when it is ASCII, else in encoded words (RFC 2047).

    Python's newer e-mail classes are not used for this: with usual settings they turn a long token in
    List-Unsubscribe into encoded words, which no receiver can follow, with others they make encoded words longer than
    the 75 characters allowed, and they lose a space where a line is folded between two words.
    """
    if text.isascii() and "=?" not in text:
        if len(header) + 2 + len(text) > LONGEST_LINE:
            raise Rejected("too_large", f"the header {header} is longer than {LONGEST_LINE} characters")
        return text
    return Header(text, "utf-8", maxlinelen=75, header_name=header).encode(linesep="\r\n")


def _named(called: str, address: str) -> str:
    """The sender with a name."""
    if called.isascii() and "=?" not in called:
        return formataddr((called, address))
    return f"{_encoded('From', called)}\r\n <{address}>"


def _line(text: str) -> str:
    """Text for one header: what could end the header's line is a space."""
    return _BREAKS.sub(" ", text).strip()


def _usable(address: str, whose: str) -> str:
    if not address:
        raise Rejected("address", f"no e-mail address of {whose} is known")
    if not _ADDRESS.match(address):
        raise Rejected("address", f"the e-mail address of {whose} is not one that plain SMTP can reach")
    return address
