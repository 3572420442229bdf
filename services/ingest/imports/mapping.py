"""The mapping file: which columns of a file become which parts of a call.

type: track
event: Order Completed                       # as it is; or {column: kind}
userId: customer_no                          # everywhere else a text is a column's name
email: mail
timestamp: {column: ordered_at, format: "%d.%m.%Y %H:%M", zone: Europe/Berlin}
id: [order_no]                               # these columns name a row, so that it is never imported twice
properties:
  total: {column: amount, type: number, decimal: ","}
  currency: {constant: EUR}
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from services.identifiers.rules import TypeName
from services.yamlfile import Document, parse, read
from services.yamlfile.document import Place

MOST = 500  # properties, or traits
ENCODINGS = ("utf-8", "gb18030", "big5", "shift_jis", "euc_kr", "windows-1252", "iso-8859-1", "iso-8859-15")
_OPTIONS = {"decimal": "number", "thousands": "number", "true": "boolean", "false": "boolean",
            "format": "time", "zone": "time"}  # fmt: skip


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError("zone", "expected a time zone such as Europe/Berlin or Asia/Shanghai") from None
    return name


def _format(text: str) -> str:
    if text not in ("iso", "epoch", "epoch_ms") and "%" not in text:
        what = 'expected iso, epoch (seconds), epoch_ms, or a pattern such as "%d.%m.%Y %H:%M"'
        raise PydanticCustomError("format", what)
    return text


def _named(value: Any) -> Any:
    """A text alone is a column's name."""
    return {"column": value} if isinstance(value, str) else value


def _fixed(value: Any) -> Any:
    """A text alone is what it says."""
    return {"constant": value} if isinstance(value, str) else value


def _yes_or_no(value: Any) -> Any:
    """A text alone is a column's name; a column without a type holds words for yes and no."""
    said = _named(value)
    return {"type": "boolean", **said} if isinstance(said, dict) and "constant" not in said else said


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)


Column = Annotated[str, Field(min_length=1, max_length=512)]
Words = Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=20)]


class Value(_Part):
    """One value: of a column, or a constant. Without `type` it is as the file has it; in CSV that is text."""

    column: Column | None = None
    constant: str | int | float | bool | None = None
    type: Literal["text", "number", "boolean", "time"] | None = None
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'", ""] = ""
    true: Words = ("true", "1", "yes", "y", "t")
    false: Words = ("false", "0", "no", "n", "f")
    format: Annotated[str, AfterValidator(_format)] = "iso"
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"

    @model_validator(mode="after")
    def _one(self) -> "Value":
        if (self.column is None) == (self.constant is None):
            raise PydanticCustomError("value", "say either `column: <its name>` or `constant: <the value>`")
        for option, kind in _OPTIONS.items():
            if option in self.model_fields_set and self.type != kind:
                raise PydanticCustomError("value", f"`{option}` goes with `type: {kind}` only")
        if self.thousands == self.decimal:
            raise PydanticCustomError("value", "`decimal` and `thousands` cannot be the same sign")
        return self


class Moment(_Part):
    """When it happened: a column, how it is written, and the zone of times that do not say theirs."""

    column: Column
    format: Annotated[str, AfterValidator(_format)] = "iso"
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"


class Csv(_Part):
    """How a CSV file is written. `columns` are its columns when the file has no line with their names."""

    delimiter: Literal[",", ";", "\t", "|"] = ","
    quote: Literal['"', "'"] = '"'
    encoding: Literal[ENCODINGS] = "utf-8"  # type: ignore[valid-type]
    columns: Annotated[tuple[Column, ...], Field(strict=False, max_length=10_000)] = ()


Of = Annotated[Value, BeforeValidator(_named)]
Said = Annotated[Value, BeforeValidator(_fixed)]
Values = Annotated[dict[Annotated[str, Field(min_length=1, max_length=256)], Of], Field(max_length=MOST)]

Answers = Annotated[
    dict[
        Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)?$", max_length=129)],
        Annotated[Value, BeforeValidator(_yes_or_no)],
    ],
    Field(max_length=100),
]


class Mapping(_Part):
    """What the file says: one call a row. `id` are the columns that name a row; `empty` the texts that mean nothing.

    `consent` has a column of yes and no for each channel ("email") or purpose of a channel ("email/newsletter").
    """

    type: Literal["track", "identify", "group", "page"]
    event: Said | None = None
    name: Said | None = None
    user_id: Of | None = None
    anonymous_id: Of | None = None
    email: Of | None = None
    phone: Of | None = None
    external_ids: dict[TypeName, Of] = {}
    group_id: Of | None = None
    timestamp: Annotated[Moment, BeforeValidator(_named)] | None = None
    message_id: Of | None = None
    id: Annotated[tuple[Column, ...], Field(strict=False, max_length=20)] = ()
    properties: Values = {}
    traits: Values = {}
    consent: Answers = {}
    empty: Annotated[tuple[str, ...], Field(strict=False, max_length=20)] = ("",)
    csv: Csv = Csv()

    @model_validator(mode="after")
    def _whole(self) -> "Mapping":
        for field, kind in (("event", "track"), ("group_id", "group")):
            if (getattr(self, field) is not None) != (self.type == kind):
                said = "needs" if self.type == kind else "has no"
                raise PydanticCustomError("mapping", f"a {self.type} call {said} `{to_camel(field)}`")
        if self.name is not None and self.type != "page":
            raise PydanticCustomError("mapping", f"a {self.type} call has no `name`; put it into traits or properties")
        if not (self.user_id or self.anonymous_id or self.email or self.phone or self.external_ids):
            what = "nobody is named: say at least one of userId, anonymousId, email, phone, externalIds"
            raise PydanticCustomError("mapping", what)
        if self.consent and (self.type != "identify" or "consent" in self.traits):
            what = "`consent` goes with `type: identify` only, and stands there or among the traits"
            raise PydanticCustomError("mapping", what)
        if found := sorted({one.partition("/")[0] for one in self.consent if "/" in one} & self.consent.keys()):
            what = f"`consent` has `{found[0]}` as a whole and a purpose of it; a row can say one of both"
            raise PydanticCustomError("mapping", what)
        if self.message_id and self.id:
            raise PydanticCustomError("mapping", "say `messageId` (an id as it is) or `id` (columns to make one of)")
        return self

    def places(self) -> Iterator[tuple[Place, str]]:
        """Every column that is named, with its place in the file."""
        for field, value in ((to_camel(name), getattr(self, name)) for name in type(self).model_fields):
            if isinstance(value, Value | Moment) and value.column:
                yield (field, "column"), value.column
            elif isinstance(value, dict):
                yield from (((field, name, "column"), one.column) for name, one in value.items() if one.column)
        yield from ((("id", at), column) for at, column in enumerate(self.id))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that are named, each once."""
        return tuple(dict.fromkeys(column for _, column in self.places()))


class MappingFile(NamedTuple):
    """A mapping, and the file that it stands in."""

    document: Document
    mapping: Mapping


def load(path: Path) -> MappingFile:
    """Read a mapping file. Raises ConfigError with file, line and what was expected for everything that is wrong."""
    document = read(path)
    return MappingFile(document, parse(document, Mapping))
