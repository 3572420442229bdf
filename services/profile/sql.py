"""Traits and audiences as ClickHouse SQL over the view `touchpoints`: the same people and values as the stream has.

A statement has the parameters `workspace` (String) and `now` (Int64, epoch ms). It is built in layers: the touchpoints;
what traits, consent and conditions look at in each; what gathers of a person; who is in which audience.
"""

from sqlglot import exp

from services.conditions.sql import predicate
from services.conditions.sql_json import Properties, inside, members
from services.conditions.sql_text import Sql, among, call, column, compare, each, every, minus, parameter, part
from services.conditions.sql_text import written as text_of
from services.conditions.sql_values import Json, Known, Number
from services.profile import sql_told
from services.profile.definitions import Definitions, Trait
from services.profile.sql_traits import NOW, gathered

WORKSPACE = parameter("workspace", "String")


def audience_sql(definitions: Definitions, name: str) -> str:
    """`SELECT profile_id`: everybody who is in this audience at `now`. Raises KeyError when there is none."""
    query = Query(definitions)
    inside = query.audience(name)
    return text_of(query.rows([column("profile_id")]).where(compare("=", inside, 1)))


def traits_sql(definitions: Definitions, names: list[str]) -> str:
    """`SELECT profile_id, …`: these computed traits of everybody at `now`; NULL or empty for none. Numbers are whole
    counts of 10^-9 where the kind is sum, average, min or max; values are JSON texts."""
    query = Query(definitions)
    shown = [query.shown(name).as_(name) for name in names]
    return text_of(query.rows([column("profile_id"), *shown]))


def accounts_sql(definitions: Definitions, names: list[str]) -> str:
    """`SELECT account, …`: the same of these traits of all accounts, by their group ids."""
    query = QueryOfAccounts(definitions.accounts)
    shown = [query.shown(name).as_(name) for name in names]
    return text_of(query.rows([column("group_id").as_("account"), *shown]))


def audiences_sql(definitions: Definitions) -> str:
    """`SELECT profile_id, audiences`: the names of the audiences that everybody is in at `now`, sorted."""
    query = Query(definitions)
    names = sorted(audience.name for audience in definitions.audiences)
    found = [call("if", compare("=", query.audience(name), 1), part(name), part("")) for name in names]
    listed = call("arrayFilter", _not_empty(), call("array", *found)) if found else call("array")
    return text_of(query.rows([column("profile_id"), listed.as_("audiences")]))


def _not_empty() -> Sql:
    return each("x", compare("!=", column("x"), ""))


class Query:
    """The columns of a condition over people (`conditions.sql.Columns`), gathered as they are asked for."""

    key = "profile_id"  # whose touchpoints are gathered, as the view names it
    teller = "identify"  # the type of call that tells traits

    def __init__(self, definitions: Definitions):
        self._definitions = definitions
        self._traits = {trait.name: trait for trait in definitions.of_persons}
        self._audiences = {audience.name: audience for audience in definitions.audiences}
        self._properties = Properties(column("m"))
        self._seen: dict[str, Sql] = {}  # columns of a touchpoint, by name
        self._taken: list[Sql] = []  # and those made of its properties
        self._gathered: dict[str, Sql] = {}  # aggregates over a person's touchpoints, by name
        self._judged: dict[str, Sql] = {}  # columns of the audiences, by name, each after those that it is made of
        self._values: dict[str, Known] = {}

    def rows(self, columns: list[Sql]) -> exp.Select:
        """One row for each person, with these columns."""
        moment = call("toUnixTimestamp64Milli", column("timestamp")).as_("ts")
        name = call("if", compare("=", column("type"), "track"), column("event"), column("type")).as_("name")
        plain = [self.key, "message_id", "source", "type", "event", "payload"]
        touchpoints = exp.select(*plain, moment, name).from_("touchpoints").where(
            every(compare("=", column("workspace"), WORKSPACE), compare("!=", column(self.key), ""))
        )  # fmt: skip
        events = list(dict.fromkeys(self._traits[one].event for one in self._values))
        objects = call("if", among(column("name"), events), members(column("payload"), "properties"), _NO_MEMBERS)
        seen = _more(touchpoints, [objects.as_("m"), *_named(self._seen)])
        taken = _more(_more(seen, self._properties.columns()), self._taken)
        whole = exp.select(self.key, call("count").as_("touchpoints"), *_named(self._gathered))
        found = _more(whole.from_(taken.subquery()).group_by(self.key), _named(self._judged))
        return exp.select(*columns).from_(found.subquery())

    def shown(self, name: str) -> Sql:
        """A computed trait as one column."""
        value = self._computed(self._traits[name])
        return value.whole if isinstance(value, Number) else value.text if isinstance(value, Json) else value.texts

    def trait(self, name: str) -> Known:
        """A computed trait, else one that was told; a dotted name looks into an object."""
        if name in self._traits:
            return self._computed(self._traits[name])
        own = self._told(name)
        top, dot, path = name.partition(".")
        if not dot:
            return Json(own)
        above: Known = self._computed(self._traits[top]) if top in self._traits else Json(self._told(top))
        if not isinstance(above, Json):
            return Json(own)
        return Json(call("if", among(own, ["", "null"]), inside(above.text, path.split(".")), own))

    def property(self, name: str) -> Known:
        """A person has no properties."""
        return Json(part(""))

    def account(self, name: str) -> Known:
        """An audience looks at the person alone."""
        return Json(part(""))

    def count(self, event: str, within: int | None = None) -> Sql:
        """How often; the newest ones only within a time, which is enough for every condition."""
        mine = compare("=", column("name"), event)
        if within is None:
            return self._gather("n", call("countIf", mine))
        recent = every(mine, compare(">", column("ts"), minus(NOW, within)))
        times = self._gather("w", call("groupArrayIf", column("ts"), recent))
        last = self._gather("l", call("maxIf", column("ts"), mine))
        young = compare(">", column("x"), minus(last, self._definitions.windows[event]))
        return call("arrayCount", each("x", young), times)

    def left(self, did: str, then_not: str, within: int) -> Sql:
        """By the last time of each."""
        began, ended = self._last(did), self._last(then_not)
        over = compare("<=", call("plus", call("tupleElement", began, 2), within), NOW)
        return every(call("tupleElement", began, 1), over, compare("<", ended, began))

    def audience(self, name: str) -> Sql:
        """A column of its own."""
        if f"in_{name}" not in self._judged:
            holds = predicate(self._audiences[name].who, self)
            self._judged[f"in_{name}"] = holds
        return column(f"in_{name}")

    def consent(self, channel: str, purpose: str = "") -> Sql:
        """The purpose's own answer, else the channel's, else unknown."""
        keys = [f"{channel}/{purpose}", channel] if purpose else [channel]
        answers = call("array", *(self._answer(key) for key in keys), "unknown")
        return call("arrayFirst", _not_empty(), answers)

    def _answer(self, key: str) -> Sql:
        if "said" not in self._seen:
            self._seen["said"] = sql_told.said()
        names = self._gather("names", sql_told.names_of("said"))
        own, whole = (self._gather("c", sql_told.word(one)) for one in (key, key.partition("/")[0]))
        return sql_told.answer(own, whole, names, key)

    def _last(self, event: str) -> Sql:
        """(whether it ever was, timestamp, message id)."""
        moment = call("tuple", call("toUInt8", 1), column("ts"), column("message_id"))
        return self._gather("r", call("maxIf", moment, compare("=", column("name"), event)))

    def _told(self, name: str) -> Sql:
        if "told" not in self._seen:
            self._seen["told"] = sql_told.told(self.teller)
        names = self._gather("names", sql_told.names_of("told"))
        return sql_told.trait(self._gather("t", sql_told.last_told(name)), names, name)

    def _gather(self, letter: str, aggregate: Sql) -> Sql:
        """The column of an aggregate, each once."""
        for name, one in self._gathered.items():
            if one == aggregate:
                return column(name)
        name = f"{letter}_{len(self._gathered)}"
        self._gathered[name] = aggregate
        return column(name)

    def _computed(self, trait: Trait) -> Known:
        if trait.name not in self._values:
            found = gathered(trait, self._properties, f"t_{trait.name}")
            self._taken += found.taken
            self._gathered |= {one.alias: one.this for one in found.gathered}
            self._values[trait.name] = found.value
        return self._values[trait.name]


class QueryOfAccounts(Query):
    """The same over accounts. The definitions are those of accounts."""

    key, teller = "group_id", "group"

    def account(self, name: str) -> Known:
        """A trait of the account."""
        return self.trait(name)


_NO_MEMBERS = call("CAST", call("array"), "Array(Tuple(String, String))")


def _named(columns: dict[str, Sql]) -> list[Sql]:
    return [one.as_(name) for name, one in columns.items()]


def _more(query: exp.Select, columns: list[Sql]) -> exp.Select:
    """The query with further columns that are made of its own."""
    return exp.select("*", *columns).from_(query.subquery()) if columns else query
