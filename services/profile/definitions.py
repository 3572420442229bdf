"""What marketing ops define in YAML: computed traits and audiences; and both compiled for the stream.

traits:
  - {name: orders, event: Order Completed, count: true}
  - {name: lifetime_value, event: Order Completed, sum: total, where: {property: currency, is: USD}}
  - {name: first_product, event: Product Viewed, first: product_id}
  - {name: views_this_week, event: Product Viewed, count: true, within: 7d}
audiences:
  - {name: big_spenders, title: Big spenders, who: {trait: lifetime_value, gte: 100}}
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from hashlib import blake2b
from typing import Annotated, Any, Literal, get_args

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.conditions.compile import Predicate, compiled
from services.conditions.subject import Subject
from services.conditions.tree import Duration, Node, OfAudience, Tree, nodes, uses
from services.errors import ConfigError
from services.profile.asked import asked
from services.profile.turning import Clock, clocks

MOST = 200  # definitions of each kind
FORM = 2  # of profiles: one more whenever what is published of the same people by the same definitions changes
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Property = Annotated[str, Field(min_length=1, max_length=256)]
Kind = Literal[
    "count", "sum", "average", "min", "max", "first", "last", "most_frequent", "distinct", "unique", "days_since"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
_OF_NOTHING = frozenset({"count", "days_since"})  # written as `count: true`; all others name a property
_FORMS = ", ".join(f"`{kind}: {'true' if kind in _OF_NOTHING else '<property>'}`" for kind in KINDS)


class _Definition(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits that change when what is written changes."""
        said = repr(self.model_dump(exclude_unset=True, exclude={"title"}))
        return blake2b(said.encode(), digest_size=6).hexdigest()


class Trait(_Definition):
    """A trait computed from one event: how many (`count: true`), the sum of a property, its average, and so on.

    `where` is a condition over the event's properties. Numbers are those below 10^18, also in quotes, cut off at nine
    places; first and last take any value that is there and not null, by (timestamp, message id); most_frequent,
    distinct and unique take texts, numbers and true/false. `within` (ms) looks only at the time that ends now. A trait
    `of: account` is computed from what all people of an account do.
    """

    name: Name
    event: Annotated[str, Field(min_length=1, max_length=256)]
    count: Literal[True] | None = None
    sum: Property | None = None
    average: Property | None = None
    min: Property | None = None
    max: Property | None = None
    first: Property | None = None
    last: Property | None = None
    most_frequent: Property | None = None
    distinct: Property | None = None
    unique: Property | None = None
    days_since: Literal[True] | None = None
    within: Duration | None = None
    where: Tree | None = None
    of: Literal["person", "account"] = "person"

    @model_validator(mode="after")
    def _one(self) -> "Trait":
        if sum(getattr(self, kind) is not None for kind in KINDS) != 1:
            raise PydanticCustomError("trait", "say exactly one of {forms}", {"forms": _FORMS})
        if self.days_since and self.within is not None:
            raise PydanticCustomError("trait", "`days_since` looks at the last time ever: leave `within` out")
        if self.of == "account" and (self.days_since or self.within is not None):
            raise PydanticCustomError("trait", "a trait of an account does not depend on time: leave out what does")
        if self.where is not None and uses(self.where) - {"property"}:
            raise PydanticCustomError("trait", "`where` looks at the event's own properties only: use `property:`")
        return self

    @property
    def kind(self) -> Kind:
        """Which of them it is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def property(self) -> str:
        """The property that it takes; empty for those that take none."""
        return "" if self.kind in _OF_NOTHING else getattr(self, self.kind)


class Audience(_Definition):
    """Everyone for whom `who` holds. People enter and exit by what they do, and by what they do not do in time."""

    name: Name
    title: str = Field("", max_length=256)
    who: Tree

    @model_validator(mode="after")
    def _of_a_person(self) -> "Audience":
        used = uses(self.who)
        if "property" in used:
            raise PydanticCustomError(
                "audience", "an audience looks at the person, not at one event: use `trait:`, `event:` or `consent:`"
            )
        if "account" in used:
            raise PydanticCustomError(
                "audience", "an audience looks at the person alone: `account:` is for the `if` of a rule"
            )
        return self

    @property
    def asks(self) -> list[str]:
        """The audiences that it is made of."""
        return sorted({node.audience for node in nodes(self.who) if isinstance(node, OfAudience)})


class Computed(msgspec.Struct, frozen=True):
    """A trait compiled. `key` names its partial values in a cell: another definition of the same name starts anew."""

    name: str
    key: str
    kind: Kind
    property: str
    where: Callable[[Subject], bool] | None
    within: int | None = None

    def moving(self) -> bool:
        """Whether its value depends on when one looks."""
        return self.within is not None or self.kind == "days_since"


class Definitions:
    """All definitions compiled, as the fold and the assemble stage use them.

    Of the past the cells keep what conditions ask for: those of the audiences, and those of the rules, given as
    `conditions`. When definitions change, what is new begins with the touchpoints folded from then on; a rebuild from
    the archive fills in the past. Raises ConfigError when names are not unique, there are too many, or audiences ask
    for each other in a circle or for one that is not there.
    """

    def __init__(
        self, traits: Iterable[Trait] = (), audiences: Iterable[Audience] = (), conditions: Iterable[Node] = ()
    ):
        self.traits, self.audiences = tuple(traits), tuple(audiences)
        problems = _problems("trait", self.traits) + _problems("audience", self.audiences) + _lost(self.audiences)
        if problems:
            raise ConfigError(problems)
        self.asked = asked([*conditions, *(audience.who for audience in self.audiences)])
        self.events, self.windows, self.ends = self.asked.counts, self.asked.windows, self.asked.ends
        self.times = frozenset(self.windows) | self.ends  # events of which a cell keeps when they were
        self.of_persons = tuple(trait for trait in self.traits if trait.of == "person")
        self.computed = tuple(_compile(trait) for trait in sorted(self.of_persons, key=lambda t: t.name))
        self.by_name = {computed.name: computed for computed in self.computed}
        self.by_event: dict[str, tuple[Computed, ...]] = {}
        for trait in self.of_persons:
            self.by_event[trait.event] = (*self.by_event.get(trait.event, ()), self.by_name[trait.name])
        self.who = _compiled(self.audiences)
        self.clocks: tuple[Clock, ...] = clocks((audience.who for audience in self.audiences), self.by_name)
        self.still = tuple(one for one in self.computed if not one.moving())
        # Whether nothing that is read of a person depends on when it is read:
        self.timeless = not (self.asked.within or self.asked.sequences or len(self.still) < len(self.computed))
        self.fingerprint = self._fingerprint()

    @cached_property
    def accounts(self) -> "Definitions":
        """The traits of accounts, as if an account were a person."""
        found = (trait for trait in self.traits if trait.of == "account")
        return Definitions([trait.model_copy(update={"of": "person"}) for trait in found])

    def _fingerprint(self) -> str:
        """It changes with everything that a profile depends on beside the touchpoints."""
        said = [sorted((one.name, one.fingerprint) for one in kind) for kind in (self.traits, self.audiences)]
        return blake2b(repr((FORM, said, self.asked.names)).encode(), digest_size=6).hexdigest()

    def satisfied(self, subject: Subject, inside: set[str]) -> tuple[str, ...]:
        """The audiences this person belongs to, by name. They gather in `inside`, an audience after those that it is
        made of, and `subject.audience` looks them up there."""
        for name, holds in self.who:
            if holds(subject):
                inside.add(name)
        return tuple(sorted(inside))


def circle(audiences: Iterable[Audience]) -> list[str]:
    """Audiences that ask for each other in a circle, the first one again at the end; empty when none do."""
    try:
        TopologicalSorter({audience.name: audience.asks for audience in audiences}).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found[::-1]
    return []


def _compiled(audiences: tuple[Audience, ...]) -> tuple[tuple[str, Predicate], ...]:
    """Each after those that it is made of."""
    who: dict[str, Predicate] = {audience.name: compiled(audience.who) for audience in audiences}
    order = TopologicalSorter({audience.name: audience.asks for audience in audiences}).static_order()
    return tuple((name, who[name]) for name in order)


def _compile(trait: Trait) -> Computed:
    where = compiled(trait.where) if trait.where is not None else None
    return Computed(trait.name, f"{trait.name}@{trait.fingerprint}", trait.kind, trait.property, where, trait.within)


def _problems(kind: str, found: tuple[Any, ...]) -> list[str]:
    names = [definition.name for definition in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems = [f"the {kind} `{name}` is defined more than once; names are unique" for name in twice]
    return problems + ([f"{len(names)} {kind}s are defined; at most {MOST} are possible"] if len(names) > MOST else [])


def _lost(audiences: tuple[Audience, ...]) -> list[str]:
    """Audiences that ask for one that is not there, or in a circle."""
    names = {audience.name for audience in audiences}
    asking = [(audience.name, asked) for audience in audiences for asked in audience.asks]
    problems = [
        f"the audience `{name}` asks for `{asked}`, which is not there" for name, asked in asking if asked not in names
    ]
    found = circle(audiences)
    return problems + ([f"audiences ask for each other in a circle: {' → '.join(found)}"] if found else [])
