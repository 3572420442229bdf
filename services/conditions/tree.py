"""Conditions as they stand in YAML: a tree of `all`, `any` and `not` over seven kinds of leaves.

    all:
      - {trait: lifetime_value, gte: 100}
      - {event: Order Completed, at_least: 2, within: 30d}
      - {did: Checkout Started, then_not: Order Completed, within: 1h}
      - not: {consent: email, purpose: newsletter, is: denied}
      - any: [{property: channel, is: web}, {property: total, gt: 50}]
      - {audience: big_spenders}
      - {account: plan, is: pro}

A leaf says exactly one thing. Errors carry the path into the file, so that a reader of it can name the line.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from services.conditions.durations import milliseconds

DEPTH = 10  # levels of all, any and not
LEAVES = 200  # in one tree
TEXT = 1_024  # characters of a value
MOMENTS = 500  # times of an event that are kept, the newest ones: more are not counted within a time
SHORTEST, LONGEST = 60_000, 400 * 86_400_000  # ms that `within` may say


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("condition", "{message}", {"message": message})


def _scalar(value: Any) -> str | bool | int | Decimal:
    """A text, a number (exact: 0.1 is 0.1) or true/false."""
    if isinstance(value, str) and len(value) > TEXT:
        raise _wrong(f"the text is too long: {len(value)} characters, at most {TEXT} are possible")
    if isinstance(value, str | bool | int):
        return value
    number = Decimal(repr(value)) if isinstance(value, float) else value
    if isinstance(number, Decimal) and number.is_finite():
        return number
    if isinstance(value, date):
        raise _wrong(f'a date is compared as text: write it in quotes, "{value.isoformat()}"')
    if value is None:
        raise _wrong("nothing is there; to ask whether something is known, write `exists: true` or `exists: false`")
    raise _wrong(f"expected a text, a number, true or false, not {type(value).__name__}")


def _ordered(value: Any) -> str | int | Decimal:
    """A text or a number: what has a greater and a smaller."""
    found = _scalar(value)
    if isinstance(found, bool):
        raise _wrong("true and false are neither greater nor smaller; use `is`")
    return found


def _duration(value: Any) -> int:
    """A duration from a minute to 400 days, in milliseconds."""
    try:
        millis = milliseconds(value)
    except ValueError as wrong:
        raise _wrong(str(wrong)) from None
    if not SHORTEST <= millis <= LONGEST:
        raise _wrong("`within` is from 1m to 400d")
    return millis


Scalar = Annotated[Any, PlainValidator(_scalar)]
Ordered = Annotated[Any, PlainValidator(_ordered)]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Duration = Annotated[int, PlainValidator(_duration, json_schema_input_type=str)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class _Compared(_Strict):
    """The comparisons of a trait or property; exactly one is given."""

    equals: Scalar = Field(None, validation_alias=AliasChoices("equals", "is"))
    not_equals: Scalar = None
    gt: Ordered = None
    gte: Ordered = None
    lt: Ordered = None
    lte: Ordered = None
    contains: Scalar = None
    among: list[Scalar] | None = Field(None, alias="in", min_length=1, max_length=1_000)
    exists: bool | None = None

    @model_validator(mode="after")
    def _one(self) -> "_Compared":
        said = self.model_fields_set & set(_Compared.model_fields)
        if len(said) != 1:
            raise _wrong(
                "say exactly one of is, not_equals, gt, gte, lt, lte, contains, in, exists"
                + (" (several are written as a list under `all`)" if said else "")
            )
        return self

    @property
    def comparison(self) -> tuple[str, Any]:
        """(operator, value) of the one that is given."""
        operator = next(iter(self.model_fields_set & set(_Compared.model_fields)))
        return operator, getattr(self, operator)


class OfTrait(_Compared):
    """Compares a trait of the person, told or computed."""

    trait: Name


class OfProperty(_Compared):
    """Compares a property of the touchpoint that is the cause."""

    property: Name


class OfAccount(_Compared):
    """Compares a trait of the account that the person acts for: the touchpoint's, else the one joined last."""

    account: Name


class OfEvent(_Strict):
    """The person did this at least so often; with `within` (ms) in the time that ends now and begins so long ago."""

    event: Name
    at_least: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1
    within: Duration | None = None

    @model_validator(mode="after")
    def _countable(self) -> "OfEvent":
        if self.within is not None and self.at_least > MOMENTS:
            raise _wrong(f"within a time at most {MOMENTS} are counted: `at_least` cannot be more")
        return self


class OfSequence(_Strict):
    """The person did `did` and, for `within` (ms) after the last time, not `then_not`. It holds from the moment that
    the time is over until the person does one of the two again."""

    did: Name
    then_not: Name
    within: Duration

    @model_validator(mode="after")
    def _two(self) -> "OfSequence":
        if self.did == self.then_not:
            raise _wrong("`did` and `then_not` are two different events")
        return self


class OfAudience(_Strict):
    """The person is in this audience."""

    audience: Name


class OfConsent(_Strict):
    """What the person said to being written to on a channel, or to one purpose of it ("newsletter")."""

    consent: Name
    purpose: Annotated[str, Field(max_length=256)] = ""
    answer: Literal["granted", "denied", "unknown"] = Field(alias="is")


Condition = Annotated[Any, PlainValidator(lambda value: _parse(value))]  # always a Node


class AllOf(_Strict):
    """Every one holds."""

    all: Annotated[list[Condition], Field(min_length=1)]


class AnyOf(_Strict):
    """At least one holds."""

    any: Annotated[list[Condition], Field(min_length=1)]


class Not(_Strict):
    """It does not hold; also when it cannot be told because something is missing."""

    negated: Condition = Field(alias="not")


Node = AllOf | AnyOf | Not | OfTrait | OfProperty | OfEvent | OfSequence | OfConsent | OfAudience | OfAccount
_KINDS: dict[str, type[Node]] = {
    "all": AllOf, "any": AnyOf, "not": Not, "trait": OfTrait, "property": OfProperty, "event": OfEvent,
    "did": OfSequence, "consent": OfConsent, "audience": OfAudience, "account": OfAccount,
}  # fmt: skip


def _parse(value: Any) -> Node:
    """The node that the mapping's keys name. Its errors keep their place in the tree."""
    if isinstance(value, Node):
        return value
    kinds = [kind for kind in _KINDS if isinstance(value, dict) and kind in value]
    if len(kinds) != 1:
        got = f"has {' and '.join(kinds)}" if kinds else f"is {value!r:.80}"
        raise _wrong(f"a condition has exactly one of {', '.join(_KINDS)}; this one {got}")
    return _KINDS[kinds[0]].model_validate(value)


def _inside(value: Any) -> list[Any]:
    """The conditions right below an unchecked one."""
    if not isinstance(value, dict):
        return []
    below = [one for kind in ("all", "any") if isinstance(value.get(kind), list) for one in value[kind]]
    return [*below, value["not"]] if "not" in value else below


def _parse_tree(value: Any) -> Node:
    level, depth, size = [value], 0, 0
    while level:
        depth, size = depth + 1, size + len(level)
        if depth > DEPTH:
            raise _wrong(f"the conditions are nested too deep: at most {DEPTH} levels are possible")
        if size > LEAVES:
            raise _wrong(f"there are too many conditions: at most {LEAVES} are possible")
        level = [one for each in level for one in _inside(each)]
    return _parse(value)


Tree = Annotated[Any, PlainValidator(_parse_tree, json_schema_input_type=Node)]  # always a Node


Place = tuple[str | int, ...]  # the way from the top of the tree, as it is written: ("all", 0, "not")


def placed(tree: Node, place: Place = ()) -> Iterator[tuple[Place, Node]]:
    """Every node of the tree with where it stands, itself first."""
    yield place, tree
    if isinstance(tree, Not):
        yield from placed(tree.negated, (*place, "not"))
    elif isinstance(tree, AllOf | AnyOf):
        kind, below = ("all", tree.all) if isinstance(tree, AllOf) else ("any", tree.any)
        for number, one in enumerate(below):
            yield from placed(one, (*place, kind, number))


def nodes(tree: Node) -> Iterator[Node]:
    """Every node of the tree, itself first."""
    return (node for _, node in placed(tree))


def uses(tree: Node) -> set[str]:
    """The kinds of leaves in the tree: the words that they begin with, such as "trait" or "did"."""
    words = {kind: word for word, kind in _KINDS.items() if word not in ("all", "any", "not")}
    return {words[type(node)] for node in nodes(tree) if type(node) in words}
