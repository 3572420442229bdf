"""An e-mail as bytes: pure, so the same follow-up is the same message, whenever and wherever it is made."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr
from hashlib import blake2b
from typing import Any, Literal

import msgspec
from pydantic import Field, model_validator

from services.automation.fields import Consent, Headers, HtmlTemplate, Purpose, Strict, Template
from services.automation.links import Back
from services.automation.templates import render
from services.automation.tracked_html import with_clicks, with_pixel
from services.errors import Rejected

LONGEST_SUBJECT = 500  # characters
LONGEST_LINE = 998  # characters, RFC 5322
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_MIME = SMTP.clone(max_line_length=75, cte_type="7bit")


class EmailStep(Strict):
    """An e-mail to the person. The texts are Liquid templates; see `templates.ROOTS` for what they can use.

    Without `to` it goes to the person's e-mail address. `consent` is `required` when nothing is said: only people who
    said yes to e-mail (to this `purpose` of it, if one is named) are written to. `unless_denied` is for what a customer
    expects anyway, such as a receipt. `track` says what its HTML tells us of: openings, clicks, or nothing.
    """

    sender: str = Field(alias="from", min_length=3, max_length=320)
    to: Template | None = None
    subject: Template
    text: Template | None = None
    html: HtmlTemplate | None = None
    text_file: str | None = None
    html_file: str | None = None
    headers: Headers = Field({}, max_length=20)
    purpose: Purpose | None = None
    consent: Consent = "required"
    track: tuple[Literal["opens", "clicks"], ...] = ("opens", "clicks")

    @model_validator(mode="after")
    def _says_something(self) -> "EmailStep":
        if self.text is not None and self.text_file is not None:
            raise ValueError("give `text` or `text_file`, not both")
        if self.html is not None and self.html_file is not None:
            raise ValueError("give `html` or `html_file`, not both")
        if not any((self.text, self.html, self.text_file, self.html_file)):
            raise ValueError("an e-mail needs `text` or `html` (or a file of either)")
        return self

    def with_files(self, read: Callable[[str], str]) -> "EmailStep":
        """The step with the texts of its files in their place."""
        content = self.model_dump(by_alias=True)
        for part in ("text", "html"):
            if file := content.pop(f"{part}_file"):
                content[part] = read(file)
        return EmailStep.model_validate(content)


class Email(msgspec.Struct, frozen=True, tag="email"):
    """One message to one person, ready for SMTP. `sender` and `to` are the bare addresses of the envelope."""

    sender: str
    to: str
    message_id: str
    message: bytes


def make(step: EmailStep, key: str, name: str, values: Mapping[str, Any], now: int, back: Back | None = None) -> Email:
    """The e-mail of this step for this person. `key` is the send key, `name` says where the step stands, `back` makes
    the links that lead back to us.

    Raises Rejected: a template fails ("template"), there is no usable address ("address"), a header is too long
    ("too_large").
    """
    called, address = parseaddr(_line(step.sender))
    sender = _usable(address, "the sender")
    to = render(step.to, f"{name}, to", values).strip() if step.to is not None else values["profile"]["email"]
    identity = blake2b(key.encode(), digest_size=16).hexdigest()
    values = {**values, "unsubscribe_url": back.unsubscribed() if back else ""}
    headers = {
        "From": _named(called, sender),
        "To": _usable(to, "the person"),
        "Subject": _encoded("Subject", _line(render(step.subject, f"{name}, subject", values))[:LONGEST_SUBJECT]),
        "Date": format_datetime(datetime.fromtimestamp(now // 1000, UTC)),
        "Message-ID": f"<{identity}@{sender.rpartition('@')[2]}>",
    }
    if back and step.consent == "required" and "List-Unsubscribe" not in step.headers:  # RFC 8058
        headers["List-Unsubscribe"] = _encoded("List-Unsubscribe", f"<{values['unsubscribe_url']}>")
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    for header, source in step.headers.items():
        headers[header] = _encoded(header, _line(render(source, f"{name}, {header}", values)))
    above = "".join(f"{header}: {value}\r\n" for header, value in headers.items())
    return Email(sender, to, headers["Message-ID"], above.encode("ascii") + _body(step, name, values, identity, back))


def _body(step: EmailStep, name: str, values: Mapping[str, Any], identity: str, back: Back | None) -> bytes:
    """The texts with their MIME headers: seven bits, lines of at most 75 characters where they are encoded."""
    message = EmailMessage(policy=_MIME)
    text = render(step.text, f"{name}, text", values) if step.text else None
    html = (
        _html(step, render(step.html, f"{name}, html", values, html=True), back, values["unsubscribe_url"])
        if step.html
        else None
    )
    if text is not None:
        message.set_content(text)
    if html is not None and text is None:
        message.set_content(html, subtype="html")
    elif html is not None:
        message.add_alternative(html, subtype="html")
        message.set_boundary(f"=_{identity}")  # Python would draw lots for it
    return message.as_bytes()


def _html(step: EmailStep, html: str, back: Back | None, unsubscribe: str) -> str:
    """The HTML, which tells us what the step wants to know. The link of unsubscription stays as it is."""
    if back is None:
        return html
    if "clicks" in step.track:
        html = with_clicks(html, lambda url: url if url == unsubscribe else back.clicked(url))
    return with_pixel(html, back.opened()) if "opens" in step.track else html


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
