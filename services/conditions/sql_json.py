"""How a value is found in a JSON object by name, as ClickHouse SQL: what `exact.find` does.

An object is an array of (name, canonical JSON text), as JSONExtractKeysAndValuesRaw gives it. Of a name that occurs
twice the last one counts, as in Python.
"""

from services.conditions.sql_text import Sql, call, column, compare, each, every, negated
from services.conditions.sql_values import Json


def members(json: Sql, *path: str) -> Sql:
    """The members of the object at this path of a JSON text; none when there is no object."""
    return call("JSONExtractKeysAndValuesRaw", json, *path)


def member(members: Sql, name: str) -> Sql:
    """The canonical text of the member of this name; empty when there is none."""
    last = call("arrayLast", each("m", compare("=", call("tupleElement", column("m"), 1), name)), members)
    return settled(call("tupleElement", last, 2))


def settled(text: Sql) -> Sql:
    """The same; a whole number beyond 64 bits in quotes. JSONExtract quotes those, but of doubles only what it reads
    again from its own text."""
    value = column("v")
    long = every(compare(">", call("length", value), 18), call("match", value, "^-?[0-9]{19,21}$"))
    within = [compare(">=", call("toInt256OrZero", value), call("toInt256", str(-(2**63)))),
              compare("<", call("toInt256OrZero", value), call("toInt256", str(2**64)))]  # fmt: skip
    quoted = call("if", every(long, negated(every(*within))), call("concat", '"', value, '"'), value)
    return call("arrayElement", call("arrayMap", each("v", quoted), call("array", text)), 1)  # so it is written once


def found(values: Sql, name: str) -> Sql:
    """The canonical text of the value called `name`, else of the one at that dotted path."""
    own = member(values, name)
    if "." not in name:
        return own
    first, *rest = name.split(".")
    tried = call("array", own, inside(member(values, first), rest))
    return call("arrayFirst", each("v", compare("!=", column("v"), "")), tried)


def inside(text: Sql, path: list[str]) -> Sql:
    """The canonical text of what stands at this path of the JSON text."""
    for step in path:
        text = member(members(text), step)
    return text


class Properties:
    """The properties that conditions and traits ask for, each found once: `columns` of a query over the members."""

    def __init__(self, members: Sql):
        self._members = members
        self._names: dict[str, str] = {}

    def property(self, name: str) -> Json:
        """The column that holds this property."""
        return Json(column(self._names.setdefault(name, f"p{len(self._names)}")))

    def columns(self) -> list[Sql]:
        """What to select so that these columns are there."""
        return [found(self._members, name).as_(given) for name, given in self._names.items()]
