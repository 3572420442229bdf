"""Who may send: sources with their write keys or webhooks, and the limits that hold for everybody."""

import re
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.conditions.durations import milliseconds
from services.ingest.webhooks.providers import AnyWebhook

HOUR = 3_600_000
UNTRUSTED_BACKDATE = 24 * HOUR


def _duration(value: Any) -> Any:
    """`24h`, `90m`, `7d` and `30s` as a timedelta; anything else, such as PT2H, is left to pydantic."""
    try:
        return timedelta(milliseconds=milliseconds(value))
    except ValueError:
        return value


def _path(path: str) -> str:
    if not re.fullmatch(r"(properties|traits|context)(\.[^.]+)+", path):
        raise ValueError("expected a path that begins with properties., traits. or context., like properties.email")
    return path


Path = Annotated[str, AfterValidator(_path)]
IdentifierType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Duration = Annotated[timedelta, BeforeValidator(_duration), Field(ge=timedelta(0))]


class Rate(BaseModel):
    """How fast a source may send: `per_second` events in the long run, up to `burst` at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    per_second: float = Field(gt=0, description="events a second in the long run")
    burst: int = Field(gt=0, description="events that may come at once")


class Source(BaseModel):
    """One sender of touchpoints. A write key names exactly one source; a webhook is called at the source's own address.

    A trusted source (a server, an import) and a signed webhook may date events as far back as they like; an untrusted
    one (a browser, an app) gives evidence at most `max_backdate` old, 24 hours unless said otherwise. `identifiers`
    maps paths of the payload to identifier types, for example {"properties.email": "email"}: without it nothing is
    taken from properties. `region` is the country that phone numbers without a country code belong to, like CN.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    write_key: str = Field("", min_length=1, max_length=256, pattern=r"^[!-9;-~]+$", repr=False)
    webhook: AnyWebhook | None = Field(None, description="instead of a write key: whose webhook, and its secrets")
    workspace: str = Field("main", min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    channel: Literal["web", "email", "call", "social", "commerce", "server"] = "web"
    trusted: bool = False
    max_backdate: Duration | None = Field(None, description="how far back evidence may be dated, like 24h or 7d")
    region: str = Field("", pattern=r"^([A-Z]{2})?$", description="ISO country of phone numbers without a code")
    identifiers: dict[Path, IdentifierType] = Field(default_factory=dict)
    rate: Rate | None = Field(None, description="without it a source may send as fast as it can")

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if bool(self.write_key) == bool(self.webhook):
            raise ValueError("give either `write_key` or `webhook`")
        if self.webhook and "channel" not in self.model_fields_set:
            raise ValueError("a webhook needs its `channel`: email, call, social, commerce, server or web")
        return self

    @cached_property
    def trust(self) -> Literal["public", "signed", "server"]:
        """How its touchpoints say that their sender was known."""
        if self.webhook:
            return "signed"
        return "server" if self.trusted else "public"

    @cached_property
    def backdate(self) -> int | None:
        """How far back evidence may be dated, in milliseconds; None when there is no limit."""
        if self.max_backdate is not None:
            return int(self.max_backdate / timedelta(milliseconds=1))
        return None if self.trusted or self.webhook else UNTRUSTED_BACKDATE

    @cached_property
    def mapped(self) -> tuple[tuple[str, tuple[str, ...], str], ...]:
        """`identifiers` ready to walk: (path, its parts, identifier type)."""
        return tuple((path, tuple(path.split(".")), kind) for path, kind in self.identifiers.items())


class Limits(BaseModel):
    """What one request may hold. Sizes are bytes of JSON, after decompression; 1 KB is 1024 bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    event_bytes: int = Field(32 * 1024, gt=0, description="one event")
    batch_bytes: int = Field(500 * 1024, gt=0, description="the body of one batch or import")
    batch_events: int = Field(2_500, gt=0, description="events in one batch or import")
    depth: int = Field(32, gt=2, le=200, description="objects and arrays inside each other, in one event")
    identifiers: int = Field(32, gt=0, description="identifiers of one event")
    body_seconds: float = Field(30, gt=0, description="how long a body may take to arrive")
