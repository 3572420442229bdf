"""What the user `writer` may order besides asking: the statements of our migrations, and inserts with their data.

A writer has a password and is trusted with the warehouse, not with the machine it runs on: as for readers, no
function, table or engine reaches a file or a network (engine.py holds that by grants, this by names).
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from services.errors import Rejected
from services.runtime.warehouse import guard
from services.runtime.warehouse.engine import DATABASE, Engine
from services.runtime.warehouse.limits import (
    LARGEST_QUERY,
    READER_SETTINGS,
    TABLE_SETTINGS,
    TRANSPORT_SETTINGS,
    WRITER_SETTINGS,
)
from services.runtime.warehouse.tokens import Token, statements, tokens

INPUT_FORMATS = {
    name.lower(): name
    for name in (
        "Native", "RowBinary", "RowBinaryWithNames", "RowBinaryWithNamesAndTypes", "Arrow", "ArrowStream", "Parquet",
        "JSONEachRow", "JSONCompactEachRow", "TabSeparated", "TSV", "CSV", "CSVWithNames",
    )
}  # fmt: skip
"""Formats that rows may come in, by their names in lower case."""

_ORDERS = (
    ("create", "table"), ("create", "view"), ("create", "or", "replace", "view"), ("create", "database"),
    ("alter", "table"), ("drop", "table"), ("drop", "view"), ("truncate", "table"), ("optimize", "table"),
    ("insert", "into"),
)  # fmt: skip
_HEAD = re.compile(
    rb"(?P<head>\s*INSERT\s+INTO\s+(?:TABLE\s+)?[\w.`]+\s*(?:\([^()]*\))?)\s*\bFORMAT\s+(?P<format>\w+)[ \t]*;?\r?\n?",
    re.IGNORECASE,
)


class Order(NamedTuple):
    """A statement; of an insert with data the part before FORMAT, and its rows in this format."""

    statement: str
    format: str
    data: bytes
    parameters: dict[str, str]
    settings: dict[str, str]


def order(given: Mapping[str, str], body: bytes, table_functions: frozenset[str]) -> Order | None:
    """What a writer orders; None for what only reads, which is answered as a reader's question is.

    `body` is no longer compressed. Raises Rejected for what a writer may not order either.
    """
    query = given.get("query", "").encode()
    whole = b"%s\n%s" % (query, body) if query and body else query or body
    parameters = {name.removeprefix("param_"): value for name, value in given.items() if name.startswith("param_")}
    if head := _HEAD.match(whole):
        form = INPUT_FORMATS.get(head["format"].decode().lower())
        if form is None:
            known = ", ".join(INPUT_FORMATS.values())
            raise Rejected("format", f"rows in the format {head['format'].decode()[:60]} are not read", hint=known)
        statement = _text(head["head"])
        _check(statement, table_functions)
        return Order(statement, form, whole[head.end() :], parameters, _settings(given))
    if len(whole) > LARGEST_QUERY:
        raise Rejected("large", f"a statement without data has at most {LARGEST_QUERY} bytes")
    return _check_plain(_text(whole), given, parameters, table_functions)


def _check_plain(
    text: str, given: Mapping[str, str], parameters: dict[str, str], table_functions: frozenset[str]
) -> Order | None:
    """A statement that says everything itself, or None when it only reads."""
    parts = statements(text)
    if not parts or guard.reads(tokens(parts[0])):
        return None
    if len(parts) > 1:
        raise Rejected("several", "one statement a request: send them one after the other")
    _check(parts[0], table_functions)
    return Order(parts[0], "", b"", parameters, _settings(given))


def _text(statement: bytes) -> str:
    try:
        return statement.decode()
    except UnicodeDecodeError:
        raise Rejected(
            "syntax", "the statement is not UTF-8", hint="INSERT INTO table (columns) FORMAT Native"
        ) from None


def _check(statement: str, table_functions: frozenset[str]) -> None:
    """One of the kinds above, with names that reach nothing outside."""
    parts = tokens(statement)
    first = tuple(part.text.lower() for part in parts[:4])
    if not any(first[: len(kind)] == kind for kind in _ORDERS):
        said = " ".join(first[:2]).upper()[:60]
        known = ", ".join(" ".join(kind).upper() for kind in _ORDERS)
        raise Rejected("denied", f"a writer may not order {said} here", hint=known)
    if first[0] == "insert" and "function" in first[2:]:
        raise Rejected("denied", "rows go into tables here, not into functions")
    guard.check_names(parts, table_functions, READER_SETTINGS | WRITER_SETTINGS | TABLE_SETTINGS)
    _check_words(parts)


def _check_words(parts: Sequence[Token]) -> None:
    """Tables are of the MergeTree family, and nothing names a file."""
    words = [part.text.lower() if part.kind != "string" else "" for part in parts if part.text != "="]
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "infile":
            raise Rejected("denied", "FROM INFILE would read on the server: send the rows in the request's body")
        if word == "engine" and not following.endswith("mergetree"):
            raise Rejected("denied", f"the engine {following[:60]} is not available here", hint="MergeTree")


def _settings(given: Mapping[str, str]) -> dict[str, str]:
    """The settings among the URL's parameters."""
    if given.get("database", "") not in ("", "default", DATABASE):
        raise Rejected("database", f"Database {given['database'][:60]} does not exist", hint=f"it is called {DATABASE}")
    found = {}
    for name, value in given.items():
        if name in READER_SETTINGS or name in WRITER_SETTINGS:
            found[name] = value
        elif name not in TRANSPORT_SETTINGS and not name.startswith("param_"):
            raise Rejected("setting", f"Setting {name[:60]} should not be changed")
    return found


def carry_out(engine: Engine, ordered: Order) -> int:
    """Do it; how many rows were inserted. They are on disk where the table's settings say so (fsync_after_insert).

    Raises RuntimeError with ClickHouse's own words.
    """
    with engine.writing(ordered.settings) as connection:
        if not ordered.format:
            return int(connection.query(ordered.statement, "TabSeparated", params=ordered.parameters).rows_read())
        if not ordered.data:
            return 0
        path = engine.incoming / f"{os.urandom(16).hex()}.rows"
        try:
            path.write_bytes(ordered.data)
            sql = f"{ordered.statement} FROM INFILE '{_escaped(path)}' FORMAT {ordered.format}"
            return int(connection.query(sql, "TabSeparated").rows_read())
        finally:
            path.unlink(missing_ok=True)


def _escaped(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace("'", "\\'")
