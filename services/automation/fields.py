"""The kinds of values that steps are written with."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from services.automation.templates import parse
from services.conditions.durations import milliseconds
from services.errors import Rejected

DAY = 86_400_000
SHORTEST_CAP, LONGEST_CAP = 60_000, 400 * DAY

_HEADER = re.compile(r"(List-Unsubscribe|List-Unsubscribe-Post|List-Id|Reply-To|X-[A-Za-z0-9-]{1,60})\Z")


class Strict(BaseModel):
    """A part of a file in which nothing unknown may stand."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _checked(source: str, html: bool = False) -> str:
    try:
        parse(source, "", html)
    except Rejected as wrong:
        raise ValueError(wrong.reason.removeprefix("template : ")) from None
    return source


def _headers(headers: dict[str, Any]) -> dict[str, Any]:
    for name in headers:
        if not _HEADER.match(name):
            raise ValueError(f"`{name}` cannot be set; possible are List-…, Reply-To and X-… headers")
    return headers


def _duration(text: str) -> str:
    milliseconds(text)
    return text


def _time_of_cap(text: Any) -> int:
    millis = milliseconds(text)
    if not SHORTEST_CAP <= millis <= LONGEST_CAP:
        raise ValueError("the time of a cap is from 1m to 400d")
    return millis


Template = Annotated[str, AfterValidator(_checked), Field(max_length=64 * 1024)]
HtmlTemplate = Annotated[str, AfterValidator(lambda source: _checked(source, html=True)), Field(max_length=64 * 1024)]
Headers = Annotated[dict[str, Template], AfterValidator(_headers)]
Consent = Literal["required", "unless_denied"]
Purpose = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=100)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+([/?#]\S*)?$", max_length=2_000)]
Duration = Annotated[str, AfterValidator(_duration)]


class Cap(Strict):
    """At most `most` within any time of this length (`per`, ms)."""

    most: int = Field(ge=1, le=1_000)
    per: Annotated[int, BeforeValidator(_time_of_cap)]
