"""What marketing ops define in YAML: computed traits and audiences; and both compiled for the stream.

traits:
  - {name: orders, event: Order Completed, count: true}
  - {name: lifetime_value, event: Order Completed, sum: total, where: {property: currency, is: USD}}
  - {name: first_product, event: Product Viewed, first: product_id}
audiences:
  - {name: big_spenders, title: Big spenders, who: {trait: lifetime_value, gte: 100}}
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.conditions.compile import Predicate, compiled
from services.conditions.subject import Subject
from services.conditions.tree import Tree, events_used, uses
from services.errors import ConfigError

MOST = 200  # definitions of each kind
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Property = Annotated[str, Field(min_length=1, max_length=256)]
Kind = Literal["count", "sum", "first", "last"]


class _Definition(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits that change when what is written changes."""
        said = repr(self.model_dump(exclude_unset=True, exclude={"title"}))
        return blake2b(said.encode(), digest_size=6).hexdigest()


class Trait(_Definition):
    """A trait computed from one event: how many (`count: true`), the sum, the first or the last value of a property.

    `where` is a condition over the event's properties. A sum counts numbers below 10^18, also in quotes, truncated at
    nine places; first and last take any value that is there and not null, by (timestamp, message id).
    """

    name: Name
    event: Annotated[str, Field(min_length=1, max_length=256)]
    count: Literal[True] | None = None
    sum: Property | None = None
    first: Property | None = None
    last: Property | None = None
    where: Tree | None = None

    @model_validator(mode="after")
    def _one(self) -> "Trait":
        if sum(bool(asked) for asked in (self.count, self.sum, self.first, self.last)) != 1:
            raise PydanticCustomError(
                "trait", "say exactly one of `count: true`, `sum: <property>`, `first: <property>`, `last: <property>`"
            )
        if self.where is not None and uses(self.where) - {"property"}:
            raise PydanticCustomError("trait", "`where` looks at the event's own properties only: use `property:`")
        return self

    @property
    def kind(self) -> Kind:
        """Which of the four it is."""
        return "count" if self.count else "sum" if self.sum else "first" if self.first else "last"

    @property
    def property(self) -> str:
        """The property that it takes; empty for a count."""
        return self.sum or self.first or self.last or ""


class Audience(_Definition):
    """Everyone for whom `who` holds. People enter and exit by what they do."""

    name: Name
    title: str = Field("", max_length=256)
    who: Tree

    @model_validator(mode="after")
    def _of_a_person(self) -> "Audience":
        if "property" in uses(self.who):
            raise PydanticCustomError(
                "audience", "an audience looks at the person, not at one event: use `trait:`, `event:` or `consent:`"
            )
        return self


class Computed(msgspec.Struct, frozen=True):
    """A trait compiled. `key` names its partial values in a cell: another definition of the same name starts anew."""

    name: str
    key: str
    kind: Kind
    property: str
    where: Callable[[Subject], bool] | None


class Definitions:
    """All definitions compiled, as the fold and the assemble stage use them.

    `events` are counted because a condition asks for them; those of rules are given as `counted`. When definitions
    change, what is new begins with the touchpoints folded from then on; a rebuild from the archive fills in the past.
    Raises ConfigError when names are not unique or there are too many.
    """

    def __init__(self, traits: Iterable[Trait] = (), audiences: Iterable[Audience] = (), counted: Iterable[str] = ()):
        self.traits, self.audiences = tuple(traits), tuple(audiences)
        problems = _problems("trait", self.traits) + _problems("audience", self.audiences)
        if problems:
            raise ConfigError(problems)
        self.events = frozenset(counted).union(*(events_used(audience.who) for audience in self.audiences))
        self.computed = tuple(_compile(trait) for trait in sorted(self.traits, key=lambda t: t.name))
        self.by_name = {computed.name: computed for computed in self.computed}
        self.by_event: dict[str, tuple[Computed, ...]] = {}
        for trait in self.traits:
            self.by_event[trait.event] = (*self.by_event.get(trait.event, ()), self.by_name[trait.name])
        who: dict[str, Predicate] = {audience.name: compiled(audience.who) for audience in self.audiences}
        self.who = tuple(sorted(who.items()))
        self.fingerprint = self._fingerprint()

    def _fingerprint(self) -> str:
        """It changes with everything that a profile depends on beside the touchpoints."""
        said = [sorted((one.name, one.fingerprint) for one in kind) for kind in (self.traits, self.audiences)]
        return blake2b(repr((said, sorted(self.events))).encode(), digest_size=6).hexdigest()

    def satisfied(self, subject: Subject) -> tuple[str, ...]:
        """The audiences this person belongs to, by name."""
        return tuple([name for name, holds in self.who if holds(subject)])


def _compile(trait: Trait) -> Computed:
    where = compiled(trait.where) if trait.where is not None else None
    return Computed(trait.name, f"{trait.name}@{trait.fingerprint}", trait.kind, trait.property, where)


def _problems(kind: str, found: tuple[Any, ...]) -> list[str]:
    names = [definition.name for definition in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems = [f"the {kind} `{name}` is defined more than once; names are unique" for name in twice]
    return problems + ([f"{len(names)} {kind}s are defined; at most {MOST} are possible"] if len(names) > MOST else [])
