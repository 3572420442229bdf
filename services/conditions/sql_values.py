"""Comparisons of values as ClickHouse SQL, with the meaning of `compile.py` to the last digit.

A value is seen as its canonical JSON text (`exact.text`, JSONExtractRaw): its first letter is its kind, and two values
of one kind are equal where their texts are. Only greater and smaller look inside. Numbers are compared as what they
are: whole ones as Int256; others by the least double whose shortest decimal reaches the wanted one, so that no rounding
comes between the two. A computed number is a whole count of parts of one (10^-9), and compared as that.
"""

import struct
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from math import inf, nextafter
from typing import Any, NamedTuple

from services.conditions import exact
from services.conditions.sql_text import NO, YES, Part, Sql, among, call, compare, every, negated, some

_WIDE = Context(prec=200)
_FAR = Decimal(10) ** 70  # beyond every whole number that an Int256 meets here
_ORDER = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class Json(NamedTuple):
    """A value as its canonical JSON text; an empty text or `null` when there is none."""

    text: Sql


class Number(NamedTuple):
    """A computed number: a whole count of the `parts` that one has; NULL when there is none."""

    whole: Sql
    parts: int = 1


class Several(NamedTuple):
    """A computed list, of canonical JSON texts; `known` says whether there is one."""

    texts: Sql
    known: Sql


Known = Json | Number | Several


def test(value: Known, operator: str, wanted: Any) -> Sql:
    """Whether the comparison holds for the value: 0 or 1, also when it is missing."""
    if operator == "exists":
        return _known(value) if wanted else negated(_known(value))
    if isinstance(value, Number):
        return call("ifNull", _number(value, operator, wanted), 0)
    if isinstance(value, Several):
        return _has(value.texts, wanted) if operator == "contains" else NO
    return _json(value.text, operator, wanted)


def _known(value: Known) -> Sql:
    if isinstance(value, Number):
        return call("isNotNull", value.whole)
    return value.known if isinstance(value, Several) else negated(among(value.text, ["", "null"]))


def _json(text: Sql, operator: str, wanted: Any) -> Sql:
    if operator == "equals":
        return among(text, _texts(wanted))
    if operator == "among":
        return among(text, [one for each_wanted in wanted for one in _texts(each_wanted)])
    if operator == "not_equals":
        return every(_alike(text, wanted), negated(among(text, _texts(wanted))))
    if operator == "contains":
        return _contains(text, wanted)
    if isinstance(wanted, str):
        return every(_is_text(text), compare(_ORDER[operator], _letters(text), wanted))
    return every(_is_number(text), ordered(text, operator, Decimal(wanted)))


def _texts(wanted: Any) -> list[Part]:
    """The canonical texts that equal it. Nothing else looks different and is equal but the two zeros."""
    if type(wanted) in (int, Decimal):
        return ["0", "-0"] if not wanted else [exact.number(wanted)]
    return [exact.text(wanted)]


def _alike(text: Sql, wanted: Any) -> Sql:
    """Whether the value is of the same kind."""
    if isinstance(wanted, bool):
        return among(text, ["true", "false"])
    return _is_text(text) if isinstance(wanted, str) else _is_number(text)


def _is_text(text: Sql) -> Sql:
    return call("startsWith", text, '"')


def _is_number(text: Sql) -> Sql:
    return call("match", text, "^[-0-9]")


def _letters(text: Sql) -> Sql:
    return call("JSONExtractString", text)


def _contains(text: Sql, wanted: Any) -> Sql:
    inside = every(call("startsWith", text, "["), _has(call("JSONExtractArrayRaw", text), wanted))
    if not isinstance(wanted, str):
        return inside
    found = compare(">", call("position", _letters(text), wanted), 0) if wanted else YES
    return some(every(_is_text(text), found), inside)


def _has(texts: Sql, wanted: Any) -> Sql:
    return some(*(call("has", texts, one) for one in _texts(wanted)))


def ordered(text: Sql, operator: str, wanted: Decimal) -> Sql:
    """Whether the number that this text is lies on the side of the wanted one that the operator names."""
    whole = compare(_ORDER[operator], call("toInt256OrZero", text), _bound(operator, wanted))
    double = compare(">=", call("JSONExtractFloat", text), _double(_reaching(wanted, operator in ("gt", "lte"))))
    return call("if", call("match", text, "^-?[0-9]+$"), whole, double if operator[0] == "g" else negated(double))


def _bound(operator: str, wanted: Decimal) -> Sql:
    """The whole number that the operator compares whole numbers with, as well as with the wanted one."""
    near = min(max(wanted, -_FAR), _FAR)
    rounding = ROUND_CEILING if operator in ("gte", "lt") else ROUND_FLOOR
    return call("toInt256", str(int(near.to_integral_value(rounding, _WIDE))))


def _reaching(wanted: Decimal, beyond: bool) -> float:
    """The least double whose shortest decimal is the wanted one or more (`beyond`: more); infinity for none."""

    def reaches(double: float) -> bool:
        shortest = Decimal(repr(double))
        return shortest > wanted if beyond else shortest >= wanted

    double = float(wanted)
    while reaches(before := nextafter(double, -inf)) and before != -inf:
        double = before
    while not reaches(double) and double != inf:
        double = nextafter(double, inf)
    return double


def _double(value: float) -> Sql:
    """A double by its bits: ClickHouse reads decimal texts of doubles less exactly than it compares doubles."""
    bits = int.from_bytes(struct.pack(">d", value), "big")
    return call("reinterpretAsFloat64", call("toUInt64", str(bits)))


def _number(value: Number, operator: str, wanted: Any) -> Sql:
    several = wanted if operator == "among" else [wanted]
    numbers = [Decimal(one) for one in several if type(one) in (int, Decimal)]
    if operator in ("equals", "among", "not_equals"):
        equal = some(*(_equal(value, one) for one in numbers))
        return equal if operator != "not_equals" else negated(equal) if numbers else NO
    if not numbers or operator == "contains":
        return NO
    return compare(_ORDER[operator], call("toInt256", value.whole), _bound(operator, _parts(value, numbers[0])))


def _equal(value: Number, wanted: Decimal) -> Sql:
    parts = _parts(value, wanted)
    exactly = abs(parts) < _FAR and parts == parts.to_integral_value(context=_WIDE)
    return compare("=", call("toInt256", value.whole), _bound("gte", parts)) if exactly else NO


def _parts(value: Number, wanted: Decimal) -> Decimal:
    return _WIDE.multiply(wanted, value.parts)
