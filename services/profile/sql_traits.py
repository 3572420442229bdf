"""Computed traits as ClickHouse SQL, kind by kind: what is taken of a touchpoint, how it gathers, the value at `now`.

The same as add.py, collect.py, windows.py and computed.py do. A touchpoint's columns are `ts` (epoch ms), `message_id`
and `name` (of the event); those of a person are what gathers under the names given here.
"""

from typing import NamedTuple

from sqlglot import exp

from services.conditions.sql import over_properties
from services.conditions.sql_json import Properties
from services.conditions.sql_text import Sql, among, call, column, compare, each, every, minus, parameter, part, some
from services.conditions.sql_values import Json, Known, Number, Several
from services.conditions.tree import MOMENTS
from services.profile import collect
from services.profile.add import VALUE
from services.profile.amounts import LONGEST, MOST, UNITS
from services.profile.definitions import Trait
from services.profile.turning import DAY

NOW = parameter("now", "Int64")
_NUMBERS = ("sum", "average", "min", "max")


class Gathered(NamedTuple):
    """A trait in a query: columns of each touchpoint, aggregates over a person's, and the value made of those."""

    taken: list[Sql]
    gathered: list[Sql]
    value: Known


def gathered(trait: Trait, properties: Properties, alias: str) -> Gathered:
    """The trait; its columns are called `alias` and something."""
    taken = _taken(trait.kind, properties.property(trait.property).text if trait.property else part(""))
    where = [over_properties(trait.where, properties)] if trait.where is not None else []
    x, h = column(f"{alias}_x"), column(f"{alias}_h")
    happened = every(compare("=", column("name"), trait.event), *where, call("isNotNull", x))
    columns = [taken.as_(f"{alias}_x"), happened.as_(f"{alias}_h")]
    made = _ever(trait.kind, x, h, alias) if trait.within is None else _within(trait.kind, trait.within, x, h, alias)
    return Gathered(columns, *made)


def _taken(kind: str, text: Sql) -> Sql:
    """What is taken of the property: units of 10^-9, a text, or NULL for nothing."""
    if kind in ("count", "days_since"):
        return part(1)
    if kind in _NUMBERS:
        return call("reinterpretAsInt256", _amount(text))
    if kind in ("first", "last"):
        return _bounded(call("nullIf", call("nullIf", text, ""), "null"), VALUE)
    plain = some(call("startsWith", text, '"'), among(text, ["true", "false"]))
    return _bounded(call("if", plain, call("toNullable", text), _number_text(text)), collect.VALUE)


def _bounded(text: Sql, most: int) -> Sql:
    return call("if", compare("<=", call("length", text), most), text, exp.Null())


def _number_text(text: Sql) -> Sql:
    """A JSON number as the text that equal amounts share; a number in quotes is none."""
    return call("if", call("match", text, "^[-0-9]"), call("toString", _amount(text)), exp.Null())


def _amount(text: Sql) -> Sql:
    """The amount in a JSON number or in quotes, cut off at nine places; NULL for none or out of bounds (amounts.py)."""
    said = call("JSONExtractString", text)
    short = compare("<=", call("lengthUTF8", said), LONGEST)
    decimal = call("match", said, r"^-?[0-9]+(\.[0-9]+)?$")
    number = call("if", call("match", text, "^[-0-9]"), text, "")
    quoted = call("if", every(call("startsWith", text, '"'), short, decimal), said, number)
    found = call("toDecimal256OrNull", quoted, 9)
    return call("if", compare("<", call("abs", found), MOST), found, exp.Null())


Made = tuple[list[Sql], Known]


def _ever(kind: str, x: Sql, h: Sql, alias: str) -> Made:
    """Over all touchpoints."""
    a, b = column(f"{alias}_a"), column(f"{alias}_b")
    count = call("countIf", h)
    if kind == "count":
        return [count.as_(f"{alias}_a")], Number(a)
    if kind in ("sum", "average"):
        total = call("sumIf", call("ifNull", x, call("toInt256", 0)), h)
        value = a if kind == "sum" else _unless_none(b, call("intDiv", a, b))
        return [total.as_(f"{alias}_a"), count.as_(f"{alias}_b")], Number(value, UNITS)
    if kind in ("min", "max"):
        return [call(kind, call("if", h, x, exp.Null())).as_(f"{alias}_a")], Number(a, UNITS)
    if kind in ("first", "last"):
        valued = call("tuple", column("ts"), column("message_id"), call("assumeNotNull", x))
        found = call("minIf" if kind == "first" else "maxIf", valued, h)
        return [call("tupleElement", found, 3).as_(f"{alias}_a")], Json(a)
    if kind == "days_since":
        days = call("intDiv", call("greatest", 0, minus(NOW, a)), DAY)
        return [call("maxIf", column("ts"), h).as_(f"{alias}_a"), count.as_(f"{alias}_b")], Number(
            _unless_none(b, days)
        )
    return _collected(kind, call("assumeNotNull", x), h, alias)


def _unless_none(count: Sql, value: Sql) -> Sql:
    return call("if", compare(">", count, 0), value, exp.Null())


def _collected(kind: str, x: Sql, h: Sql, alias: str) -> Made:
    a = column(f"{alias}_a")
    if kind == "most_frequent":
        counts = call("sumMapIf", call("array", x), call("array", call("toUInt64", 1)), h)
        return [counts.as_(f"{alias}_a")], Json(_most_frequent(_sample(_pairs(a))))
    if kind == "distinct":
        hashed = call("reinterpretAsUInt64", call("reverse", call("substring", call("MD5", x), 1, 8)))
        kept = call("arraySlice", call("arraySort", call("groupUniqArrayIf", hashed, h)), 1, collect.SKETCH)
        return [kept.as_(f"{alias}_a")], Number(_distinct(a))
    entries = call("groupArrayIf", call("tuple", column("ts"), column("message_id"), x), h)
    return [call("arraySort", entries).as_(f"{alias}_a")], _listed(a)


def _pairs(counted: Sql) -> Sql:
    return call("arrayZip", call("tupleElement", counted, 1), call("tupleElement", counted, 2))


def _sample(pairs: Sql) -> Sql:
    by_hash = call("arraySort", each("e", call("MD5", _of("e", 1))), pairs)
    return call("arraySlice", by_hash, 1, collect.TALLIES)


def _most_frequent(pairs: Sql) -> Sql:
    """The text of the pair with the highest count; of several the least text; empty for none."""
    order = call("tuple", call("negate", call("toInt64", _of("e", 2))), _of("e", 1))
    return call("tupleElement", call("arrayElement", call("arraySort", each("e", order), pairs), 1), 1)


def _distinct(sketch: Sql) -> Sql:
    size = call("toInt256", call("length", sketch))
    last = call("plus", call("toInt256", call("arrayElement", sketch, collect.SKETCH)), 1)
    estimate = call("intDiv", call("toInt256", str((collect.SKETCH - 1) * 2**64)), last)
    return call("if", compare("<", size, collect.SKETCH), size, estimate)


def _listed(entries: Sql) -> Known:
    """Each text once, by its first time."""
    texts = call("arrayDistinct", call("arrayMap", each("e", _of("e", 3)), entries))
    return Several(call("arraySlice", texts, 1, collect.LIST), call("notEmpty", entries))


def _of(name: str, place: int) -> Sql:
    return call("tupleElement", column(name), place)


def _within(kind: str, within: int, x: Sql, h: Sql, alias: str) -> Made:
    """Over the newest touchpoints of the time that ends now."""
    last = call("maxIf", column("ts"), h).as_(f"{alias}_b")
    text = call("toString", call("assumeNotNull", x)) if kind not in ("count", *_NUMBERS) else x
    entry = call("tuple", column("ts"), column("message_id"), call("assumeNotNull", text))
    recent = every(h, compare(">", column("ts"), minus(NOW, within)))
    return [last, call("groupArrayIf", entry, recent).as_(f"{alias}_a")], _of_entries(kind, within, alias)


def _of_entries(kind: str, within: int, alias: str) -> Known:
    young = compare(">", _of("e", 1), minus(column(f"{alias}_b"), within))
    kept = call("arrayFilter", each("e", young), column(f"{alias}_a"))
    entries = call("arraySlice", call("arraySort", kept), -MOMENTS)
    values, count = call("arrayMap", each("e", _of("e", 3)), entries), call("length", entries)
    if kind == "count":
        return Number(count)
    if kind in _NUMBERS:
        return Number(_of_numbers(kind, values, count), UNITS)
    if kind in ("first", "last"):
        return Json(call("arrayElement", values, 1 if kind == "first" else -1))
    if kind == "distinct":
        return Number(call("length", call("arrayDistinct", values)))
    if kind == "unique":
        return _listed(entries)
    each_once = call("arrayMap", each("t", call("tuple", column("t"), call("countEqual", values, column("t")))),
                     call("arrayDistinct", values))  # fmt: skip
    return Json(_most_frequent(each_once))


def _of_numbers(kind: str, values: Sql, count: Sql) -> Sql:
    total = call("arraySum", values)
    if kind == "sum":
        return total
    found = call("intDiv", total, count) if kind == "average" else call(f"array{kind.capitalize()}", values)
    return _unless_none(count, found)
