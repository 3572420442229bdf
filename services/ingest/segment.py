"""The calls of Segment's tracking API, as they come: the documented contract.

OpenAPI and the explanations of rejected items are made from these models. `decode.py` reads the same payloads some
twenty times faster; a property test holds the two to the same verdict. Keys that are not named here are tolerated,
because Segment's clients send many. null is the same as missing.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.errors import Rejected
from services.ingest.stamps import TIME, millis

ID_LENGTH = 512
NAME_LENGTH = 1_024
MESSAGE_ID_LENGTH = 256


def _time(value: str | int | None) -> str | int | None:
    try:
        millis(value, "")
    except Rejected as rejected:
        raise ValueError(str(rejected)) from None
    return value


Text = Annotated[str, Field(max_length=ID_LENGTH)]
Id = Text | int
RequiredId = Annotated[str, Field(min_length=1, max_length=ID_LENGTH)] | int
Name = Annotated[str, Field(max_length=NAME_LENGTH)]
Time = Annotated[str | int | None, AfterValidator(_time)]
Object = dict[str, Any] | None

_ID = f"text of at most {ID_LENGTH} characters, or a whole number"
_NAME = f"text of at most {NAME_LENGTH} characters"


class Call(BaseModel):
    """What every call has. Some identifier is needed: userId, anonymousId, an e-mail or phone in traits, or others."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, alias_generator=to_camel)
    user_id: Id | None = Field(None, description=f"your own id of a known customer: {_ID}")
    anonymous_id: Id | None = Field(None, description=f"an id of somebody not yet known: {_ID}")
    message_id: Annotated[str, Field(max_length=MESSAGE_ID_LENGTH)] | int | None = Field(
        None,
        description="the idempotency key, made here when it is missing: "
        f"text of at most {MESSAGE_ID_LENGTH} characters, or a whole number",
    )
    timestamp: Time = Field(None, description=f"when it happened, by the client's clock: {TIME}")
    original_timestamp: Time = Field(None, description=f"the same as timestamp, used when that is missing: {TIME}")
    sent_at: Time = Field(None, description=f"when it was sent, by the client's clock: {TIME}")
    properties: Object = Field(None, description="a JSON object: what is to be known about the touchpoint")
    traits: Object = Field(None, description="a JSON object: what is to be known about the person (or the group)")
    context: Object = Field(None, description="a JSON object: page, campaign, device, traits, externalIds and more")
    integrations: Any = Field(None, description="accepted for Segment's clients, and ignored")


class Track(Call):
    """A customer did something."""

    event: str = Field(
        min_length=1, max_length=NAME_LENGTH, description=f"what was done, like Order Completed: {_NAME}, not empty"
    )


class Identify(Call):
    """Who a customer is."""


class Page(Call):
    """A customer saw a page."""

    name: Name | None = Field(None, description=f"the page's name: {_NAME}")
    category: Name | None = Field(None, description=f"the page's category: {_NAME}")


class Screen(Page):
    """A customer saw a screen of an app."""


class Group(Call):
    """A customer belongs to a group. `traits` are the group's, so no identifiers are taken from them."""

    group_id: RequiredId = Field(description=f"the group's id: {_ID}, not empty")


class Alias(Call):
    """Two ids belong to one customer."""

    user_id: RequiredId = Field(description=f"the id to be known by from now on: {_ID}, not empty")
    previous_id: RequiredId = Field(description=f"the id known by until now: {_ID}, not empty")


CALLS: dict[str, type[Call]] = {
    "track": Track,
    "identify": Identify,
    "page": Page,
    "screen": Screen,
    "group": Group,
    "alias": Alias,
}


class Batch(BaseModel):
    """Many calls in one body, each with its `type`. `context` and `sentAt` hold for every call that has none."""

    model_config = ConfigDict(extra="allow", frozen=True, alias_generator=to_camel)
    batch: list[dict[str, Any]] = Field(description="calls, each with a `type`: " + ", ".join(CALLS))
    context: Object = Field(None, description="a JSON object that each call's own context is laid over, key by key")
    sent_at: Time = Field(None, description=f"when the batch was sent, by the client's clock: {TIME}")
    write_key: str | None = Field(None, description="the source's write key, when it is not sent by Basic auth")
