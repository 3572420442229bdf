"""A text message to the person's phone, as data: what Twilio's Messages API takes (twilio.com/docs/messaging/api)."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, Field

from services.automation.fields import Consent, Purpose, Strict, Template, Url, Variable
from services.automation.templates import render
from services.errors import Rejected

LONGEST = 1_600  # characters, Twilio's limit
_SERVICE = re.compile(r"MG[0-9a-f]{32}\Z")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}\Z")
_SENDER = re.compile(r"\+[1-9][0-9]{6,14}\Z|MG[0-9a-f]{32}\Z|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}\Z|[0-9]{3,8}\Z")


def _sender(text: str) -> str:
    if not _SENDER.match(text):
        raise ValueError("a sender is a number like +4915123456789, a short code, a name of up to 11 letters, or MG…")
    return text


class SmsStep(Strict):
    """A text message, by Twilio. `account_env` and `token_env` name the environment variables with the account's SID
    and its auth token. `from` is a number, a short code, a sender's name or a messaging service (MG…).

    Without `to` it goes to the person's phone. Twilio tells `status_callback` what became of it: the URL of a webhook
    source of this platform. Consent is that of the channel `sms`, with the same meaning as for an e-mail.
    """

    account_env: Variable
    token_env: Variable
    sender: Annotated[str, AfterValidator(_sender)] = Field(alias="from")
    to: Template | None = None
    text: Template
    status_callback: Url | None = None
    purpose: Purpose | None = None
    consent: Consent = "required"


class Sms(msgspec.Struct, frozen=True, tag="sms"):
    """One text message. Twilio has no idempotency key: it must be handed over once."""

    to: str
    form: dict[str, str]
    account_env: str
    token_env: str


def make(step: SmsStep, name: str, values: Mapping[str, Any]) -> Sms:
    """The text message of this step. Raises Rejected: a template fails ("template"), there is no usable number
    ("address"), the text is empty or too long ("too_large")."""
    to = _number(render(step.to, f"{name}, to", values) if step.to is not None else values["profile"]["phone"])
    if not to:
        raise Rejected("address", "no phone number of the person is known that begins with + and the country's code")
    text = render(step.text, f"{name}, text", values).strip()
    if not 1 <= len(text) <= LONGEST:
        raise Rejected("too_large", f"{name}: the text has {len(text)} characters; 1 to {LONGEST} are possible")
    form = {"To": to, "Body": text, "MessagingServiceSid" if _SERVICE.match(step.sender) else "From": step.sender}
    if step.status_callback:
        form["StatusCallback"] = step.status_callback
    return Sms(to, form, step.account_env, step.token_env)


def _number(text: str) -> str:
    """A number in international form without what people put between its digits; empty when it is none."""
    number = re.sub(r"[ ().-]", "", text.strip())
    return number if _NUMBER.match(number) else ""
