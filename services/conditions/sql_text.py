"""Pieces of ClickHouse SQL: expressions are built as trees, never put together from text.

`sqlglot` writes them down; a value of a user can only ever become a literal or a quoted name.
"""

from collections.abc import Sequence

from sqlglot import exp

Sql = exp.Expr
Part = Sql | str | int | bool

NO, YES = exp.Literal.number(0), exp.Literal.number(1)


def part(value: Part) -> Sql:
    """The value itself where it is SQL already, else a literal."""
    if isinstance(value, exp.Expr):
        return value
    if isinstance(value, str):
        return exp.Literal.string(value)
    return exp.Literal.number(int(value)) if value >= 0 else exp.Neg(this=exp.Literal.number(-int(value)))


def call(function: str, *arguments: Part) -> Sql:
    """A call of a ClickHouse function, its name as it is written here."""
    return exp.Anonymous(this=function, expressions=[part(one) for one in arguments])


def column(name: str, table: str = "") -> Sql:
    """A column by its name."""
    return exp.column(name, table or None)


def each(names: str, body: Sql) -> Sql:
    """`(k, v) -> body`: the names with spaces between them."""
    return exp.Lambda(this=body, expressions=[exp.to_identifier(name) for name in names.split()])


def compare(sign: str, left: Part, right: Part) -> Sql:
    """`left sign right` for =, !=, <, <=, >, >=."""
    return _SIGNS[sign](this=_wrapped(left), expression=_wrapped(right))


_SIGNS: dict[str, type[exp.Binary]] = {
    "=": exp.EQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}


def minus(left: Part, right: Part) -> Sql:
    """`left - right`."""
    return exp.Sub(this=_wrapped(left), expression=_wrapped(right))


def _wrapped(value: Part) -> Sql:
    found = part(value)
    return exp.Paren(this=found) if isinstance(found, exp.Binary | exp.Not | exp.Lambda) else found


def every(*parts: Sql) -> Sql:
    """All of them hold; true for none."""
    return _joined("and", parts) if parts else YES


def some(*parts: Sql) -> Sql:
    """At least one holds; false for none."""
    return _joined("or", parts) if parts else NO


def _joined(word: str, parts: tuple[Sql, ...]) -> Sql:
    """A call with all of them, which is as deep as one (and not as many as there are)."""
    return parts[0] if len(parts) == 1 else call(word, *parts)


def negated(one: Sql) -> Sql:
    """It does not hold."""
    return call("not", one)


def among(value: Part, wanted: Sequence[Part]) -> Sql:
    """`value IN (…)`; false for none."""
    return exp.In(this=_wrapped(value), expressions=[part(one) for one in wanted]) if wanted else NO


def parameter(name: str, kind: str) -> Sql:
    """A value that is given with the query: `{name: kind}`."""
    return exp.Placeholder(this=name, kind=kind)


def written(statement: Sql) -> str:
    """The statement as ClickHouse reads it."""
    return statement.sql(dialect="clickhouse", normalize_functions=False)
