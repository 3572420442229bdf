"""Which statements the reader may run: those that read the warehouse and nothing else.

The engine enforces most of it by itself (engine.py: readonly, grants without sources, constraints). Not everything:
embedded ClickHouse lets the function `file()` read any file, writes `INTO OUTFILE` on the client's side, runs
`python()` and `KILL QUERY` whatever the grants say. So each statement is cut into tokens first, and refused unless it
is a SELECT, SHOW, DESCRIBE, EXPLAIN or EXISTS that names no function, table or format from outside the lists below.
"""

from collections.abc import Sequence
from typing import NamedTuple

from services.errors import Rejected
from services.runtime.warehouse.limits import READER_SETTINGS
from services.runtime.warehouse.tokens import Token, tokens

TABLE_FUNCTIONS = frozenset(
    {"generate_series", "generateseries", "null", "numbers", "numbers_mt", "values", "view", "zeros", "zeros_mt"}
)
"""Table functions that reach nothing; `format` is a function too, and left to the engine."""

FUNCTIONS_DENIED = frozenset({
    "file", "fuzzquery", "hascolumnintable", "logtrace", "showcertificate", "sleep", "sleepeachrow", "generateserialid",
    "catboostevaluate", "evalmlmethod", "addresstoline", "addresstolinewithinlines", "addresstosymbol", "demangle",
    "aiclassify", "aiembed", "aiextract", "aifilter", "aigenerate", "airedact", "aisimilarity", "aitranslate",
})  # fmt: skip
"""Functions that read files, reach a network or waste a thread. A name alone counts: arrayMap(file, ...) calls it."""

SYSTEM_TABLES = frozenset({
    "aggregate_function_combinators", "build_options", "codecs", "collations", "columns", "completions", "constraints",
    "contributors", "current_roles", "data_skipping_indices", "data_type_families", "databases", "dictionaries",
    "documentation", "enabled_roles", "errors", "events", "formats", "functions", "grants", "keywords", "licenses",
    "merges", "metrics", "mutations", "numbers", "numbers_mt", "one", "parts", "parts_columns", "privileges",
    "projections", "roles", "settings", "table_engines", "table_functions", "tables", "time_zones", "zeros", "zeros_mt",
})  # fmt: skip
"""Tables of the database `system` that clients and BI tools ask; none shows the queries of others."""

FORMATS = frozenset({
    "native", "null", "vertical", "values", "xml", "markdown", "tsv", "tabseparated", "tsvraw", "tabseparatedraw",
    "raw", "tsvwithnames", "tabseparatedwithnames", "tsvwithnamesandtypes", "tabseparatedwithnamesandtypes",
    "tsvrawwithnames", "tsvrawwithnamesandtypes", "csv", "csvwithnames", "csvwithnamesandtypes", "json",
    "jsonstrings", "jsoncolumns",
    "jsoncolumnswithmetadata", "jsoncompact", "jsoncompactstrings", "jsoncompactcolumns", "jsoneachrow", "jsonlines",
    "ndjson", "jsonstringseachrow", "jsoncompacteachrow", "jsoncompacteachrowwithnames", "jsonobjecteachrow",
    "jsoncompacteachrowwithnamesandtypes", "jsoncompactstringseachrow", "pretty", "prettynoescapes", "prettycompact",
    "prettycompactmonoblock", "prettyspace", "rowbinary", "rowbinarywithnames", "rowbinarywithnamesandtypes", "arrow",
    "arrowstream", "parquet", "orc", "rawblob", "lineasstring", "hash",
})  # fmt: skip
"""Output formats. Template and the schema formats read files, so they are not among them."""

_SHOW = frozenset({
    "tables", "databases", "columns", "fields", "create", "dictionaries", "functions", "settings", "index", "indexes",
    "indices", "keys", "full", "extended", "grants", "views",
})  # fmt: skip
_EXPLAINED = frozenset({"ast", "syntax", "query", "tree", "plan", "pipeline", "estimate"})
_SELECTS = frozenset({"select", "with", "from"})
_FIRST = _SELECTS | {"show", "describe", "desc", "explain", "exists"}


class Statement(NamedTuple):
    """A statement that may run, the output format that it names itself (in lower case, or an empty text), and whether
    it selects rows, which the engine can stream; what SHOW, DESCRIBE, EXPLAIN and EXISTS answer it cannot."""

    sql: str
    format: str
    selects: bool


def check(sql: str, table_functions: frozenset[str]) -> Statement:
    """The statement, if a reader may run it. `table_functions`: the engine's, in lower case.

    Raises Rejected, with a reason for the person who wrote the statement.
    """
    parts = tokens(sql)
    while parts and parts[-1][:2] == ("sign", ";"):
        parts.pop()
    if not parts:
        raise Rejected("empty", "the query is empty", hint="send a SELECT in the body, or as ?query=")
    if any(part[:2] == ("sign", ";") for part in parts):
        raise Rejected("several", "one statement a request: send them one after the other")
    first = _check_kind(parts)
    return Statement(sql, check_names(parts, table_functions, READER_SETTINGS), first in _SELECTS)


def reads(parts: Sequence[Token]) -> bool:
    """Whether a statement is of a kind that `check` may let pass."""
    return next((part.text.lower() for part in parts if part.text != "("), "") in _FIRST


def check_names(parts: Sequence[Token], table_functions: frozenset[str], settings: frozenset[str]) -> str:
    """No function, table or format that reaches outside, and no other settings. Returns the format that is named."""
    found = ""
    for at, part in enumerate(parts):
        if part.kind in ("word", "name"):
            _check_name(parts, at, table_functions)
            _check_settings(parts, at, settings)
            found = _format(parts, at) or found
        elif part[:2] == ("sign", "{"):
            _check_parameter(parts, at)
    return found


def _word(parts: Sequence[Token], at: int) -> str:
    """The bare word there in lower case, or an empty text."""
    return parts[at].text.lower() if 0 <= at < len(parts) and parts[at].kind == "word" else ""


def _sign(parts: Sequence[Token], at: int) -> str:
    return parts[at].text if 0 <= at < len(parts) and parts[at].kind == "sign" else ""


def _check_kind(parts: Sequence[Token]) -> str:
    """Only statements that read. Returns the first word."""
    start = 0
    while _sign(parts, start) == "(":
        start += 1
    first, second = _word(parts, start), _word(parts, start + 1)
    if first not in _FIRST:
        said = parts[start].text.upper()[:40] if start < len(parts) else "("
        raise Rejected(
            "readonly",
            f"the warehouse is read-only here and takes no {said}",
            hint="SELECT, WITH, SHOW, DESCRIBE, EXPLAIN and EXISTS work",
        )
    if first == "show" and second not in _SHOW:
        raise Rejected("readonly", f"SHOW {second.upper()} is not answered here", hint="SHOW TABLES works")
    if first == "explain":
        _check_explained(parts, start + 1)
    return first


def _check_explained(parts: Sequence[Token], at: int) -> None:
    """EXPLAIN takes its kind, settings like `indexes = 1`, then a SELECT."""
    while _word(parts, at) in _EXPLAINED:
        at += 1
    while _sign(parts, at + 1) == "=":
        at += 4 if _sign(parts, at + 3) == "," else 3
    while _sign(parts, at) == "(":
        at += 1
    if _word(parts, at) not in ("select", "with"):
        raise Rejected("readonly", "EXPLAIN explains a SELECT here, nothing else")


def _check_name(parts: Sequence[Token], at: int, table_functions: frozenset[str]) -> None:
    """One identifier: no function or table that reaches outside, no INTO."""
    name, qualified = parts[at].text.lower(), _sign(parts, at - 1) == "."
    called = _sign(parts, at + 1) == "("
    if name == "into" and parts[at].kind == "word" and _word(parts, at + 1) == "outfile":
        raise Rejected("readonly", "INTO OUTFILE would write on the server: take the result from the response")
    if name in FUNCTIONS_DENIED and not qualified:
        raise Rejected(
            "denied", f"the function {name} is not available here", hint=f"a column of that name: table.{name}"
        )
    if called and name in table_functions and name not in TABLE_FUNCTIONS and name != "format":
        raise Rejected("denied", f"the table function {name} is not available here: it reaches outside the warehouse")
    if name == "system" and _sign(parts, at + 1) == ".":
        table = parts[at + 2].text if at + 2 < len(parts) else ""
        if table.lower() not in SYSTEM_TABLES:
            raise Rejected("denied", f"the table system.{table} is not available here")


def _check_settings(parts: Sequence[Token], at: int, settings: frozenset[str]) -> None:
    """A SETTINGS clause may name what a URL may: some other settings are expressions or files in disguise.

    A name stands behind SETTINGS or a comma, with `=` or, in short for 1, without.
    """
    opens = _word(parts, at) == "settings" and _sign(parts, at - 1) != "." and at + 1 < len(parts)
    if not opens or parts[at + 1].kind not in ("word", "name") or _word(parts, at + 1) == "from":
        return
    depth = 0
    for here in range(at + 1, len(parts)):
        depth += (_sign(parts, here) in "([{") - (_sign(parts, here) in ")]}") if _sign(parts, here) else 0
        if depth < 0 or _word(parts, here) in ("union", "except", "intersect", "format"):
            return
        named = parts[here].kind in ("word", "name") and (here == at + 1 or _sign(parts, here - 1) == ",")
        if named and parts[here].text.lower() not in settings:
            raise Rejected(
                "setting",
                f"Setting {parts[here].text[:60]} should not be changed",
                hint="a column called settings: table.settings",
            )


def _format(parts: Sequence[Token], at: int) -> str:
    """The format that a FORMAT clause names, if one starts here."""
    if parts[at].kind != "word" or parts[at].text.lower() != "format" or _sign(parts, at - 1) == ".":
        return ""
    named = _word(parts, at + 1)
    if named and named not in FORMATS:
        raise Rejected("format", f"the format {parts[at + 1].text} is not available here", hint="JSON, CSV, TSV, ...")
    return named


def _check_parameter(parts: Sequence[Token], at: int) -> None:
    """{name:Identifier} would put a table's name where no check can see it."""
    if _sign(parts, at + 2) == ":" and _word(parts, at + 3) == "identifier":
        raise Rejected("denied", "parameters of the type Identifier are not available here: write the name itself")
