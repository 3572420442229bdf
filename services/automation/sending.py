"""sending.yaml: what holds for everything that is written to people, whatever the rule.

caps:
  email: {most: 3, per: 7d}             # to one person, by all rules together
  sms: {most: 1, per: 1d}
quiet: {from: "21:00", to: "08:00", time_zone: Asia/Shanghai}
"""

from datetime import time
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from services.automation.fields import Cap, Strict

LONGEST_ZONE = 64  # characters of a zone's name


def zone(name: object) -> ZoneInfo | None:
    """The time zone of this name (IANA, "Europe/Berlin"), or None when there is none. Names come from customers."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_ZONE:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # KeyError: no such zone; the others: no name at all, a folder of zones
        return None


def _zone_name(name: str) -> str:
    if zone(name) is None:
        raise ValueError("expected the name of a time zone, such as Asia/Shanghai, Europe/Berlin or UTC")
    return name


TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Quiet(Strict):
    """When people are not written to, by their own clock: from a time of day until another, over midnight or not.
    `time_zone` is that of people of whom none is known."""

    begin: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")
    time_zone: Annotated[str, AfterValidator(_zone_name)]

    @model_validator(mode="after")
    def _some_time_is_not(self) -> "Quiet":
        if self.begin == self.end:
            raise ValueError("`from` and `to` are the same time of day: no time would be left to send")
        return self

    def holds(self, at: time) -> bool:
        """Whether it is quiet at this time of day."""
        begin, end = time.fromisoformat(self.begin), time.fromisoformat(self.end)
        return begin <= at < end if begin < end else at >= begin or at < end


class Caps(Strict):
    """How many messages of a kind one person gets, by all rules together."""

    email: Cap | None = None
    sms: Cap | None = None


class Sending(Strict):
    """The file. Without it nothing is capped and no time is quiet."""

    caps: Caps = Caps()
    quiet: Quiet | None = None
