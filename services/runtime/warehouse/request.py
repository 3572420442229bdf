"""One HTTP request as a question to the warehouse: statement, parameters, settings, how to answer."""

import re
import uuid
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from services.errors import Rejected
from services.runtime.warehouse import guard
from services.runtime.warehouse.engine import DATABASE
from services.runtime.warehouse.limits import LARGEST_QUERY, READER_SETTINGS, TRANSPORT_SETTINGS

_QUERY_ID = re.compile(r"[0-9A-Za-z_.:-]{1,100}")
_DISPOSITION = re.compile(rb'name="([^"]*)"')


class Question(NamedTuple):
    """What is asked. `format` as ClickHouse spells it or as the client did; `buffered`: answer when all is known."""

    statement: str
    parameters: dict[str, str]
    settings: dict[str, str]
    format: str
    buffered: bool
    query_id: str


def parameters(query_string: bytes) -> dict[str, str]:
    """The parameters of the URL. Raises Rejected for text that is not UTF-8."""
    try:
        return dict(parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict"))
    except (UnicodeDecodeError, ValueError) as error:
        raise Rejected("syntax", f"the URL is not UTF-8: {error}") from None


def fields(given: Mapping[str, str], content_type: str, body: bytes) -> tuple[dict[str, str], bytes]:
    """The parameters of URL and form, and what is left of the body. Raises Rejected for text that is not UTF-8."""
    if not content_type.startswith("multipart/form-data"):
        return dict(given), body
    try:
        return dict(given) | _form(content_type, body), b""
    except (UnicodeDecodeError, ValueError) as error:
        raise Rejected("syntax", f"the request is not UTF-8 or not a form: {error}") from None


def _form(content_type: str, body: bytes) -> dict[str, str]:
    """The text fields of a form; clients send one when their parameters are too long for a URL."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    found = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        name = _DISPOSITION.search(head)
        if name is None or b"filename=" in head:
            raise Rejected("syntax", "external data is not supported here")
        found[name.group(1).decode()] = value.removesuffix(b"\r\n").decode()
    return found


def question(
    given: Mapping[str, str], body: bytes, headers: Mapping[str, str], table_functions: frozenset[str]
) -> Question:
    """What the request asks. Raises Rejected when that may not be asked."""
    if headers.get("content-encoding", "identity") != "identity" or given.get("decompress", "0") != "0":
        raise Rejected(
            "readonly", "the warehouse is read-only here and takes no data", hint="queries come uncompressed"
        )
    statement = _statement(given.get("query", ""), body)
    if given.get("database", "") not in ("", "default", DATABASE):
        raise Rejected("database", f"Database {given['database'][:60]} does not exist", hint=f"it is called {DATABASE}")
    checked = guard.check(statement, table_functions)
    named = checked.format or (given.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated")
    if named.lower() not in guard.FORMATS:
        raise Rejected("format", f"the format {named[:60]} is not available here")
    return Question(
        statement,
        {name.removeprefix("param_"): value for name, value in given.items() if name.startswith("param_")},
        _settings(given),
        named,
        given.get("wait_end_of_query", "0") != "0" or not checked.selects,
        query_id(given),
    )


def query_id(given: Mapping[str, str]) -> str:
    """The client's name for its query, or a new one: it goes into a header."""
    named = given.get("query_id", "")
    return named if _QUERY_ID.fullmatch(named) else str(uuid.uuid4())


def _statement(query: str, body: bytes) -> str:
    """ClickHouse puts the body behind the `query` of the URL."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Rejected("syntax", "the query is not UTF-8") from None
    whole = f"{query}\n{text}" if query and text else query or text
    if len(whole) > LARGEST_QUERY:
        raise Rejected("large", f"the query has {len(whole)} characters, at most {LARGEST_QUERY} are read")
    return whole


def _settings(given: Mapping[str, str]) -> dict[str, str]:
    """The settings among the URL's parameters."""
    found = {}
    for name, value in given.items():
        if name in READER_SETTINGS:
            found[name] = value
        elif name not in TRANSPORT_SETTINGS and not name.startswith("param_"):
            raise Rejected("setting", f"Setting {name[:60]} should not be changed")
    return found
