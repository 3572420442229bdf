"""`rapport query`: ask the warehouse in SQL."""

import re
import sys
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.commands import queries
from services.commands.options import AsJson, Data, settings_of
from services.commands.reach import clickhouse_of
from services.commands.show import json_line, remarks, table
from services.errors import RapportError
from services.runtime.clickhouse_reader import connect_to

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

SHOWN = 1_000  # rows of a table for people; --json and --csv print all

_TABLES = """
SELECT c.table, t.comment AS about, c.name, c.type, c.comment
FROM system.columns AS c JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
WHERE c.database = currentDatabase() AND NOT startsWith(c.table, '.')
ORDER BY endsWith(c.table, '_log'), c.table, c.position
"""


def query(
    sql: Annotated[
        str | None,
        typer.Argument(metavar="[SQL]", help="- reads it from standard input. Without it: the tables and columns."),
    ] = None,
    example: Annotated[
        str | None, typer.Option(metavar="NAME", help="Ask what this example asks; --examples lists them.")
    ] = None,
    examples: Annotated[bool, typer.Option("--examples", help="List the examples and what they answer.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the example's SQL, to make your own of it.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Ask ClickHouse, read-only. Without SQL, print the tables, what is in them and what each column means.

    \b
    rapport query
    rapport query "SELECT event, count() FROM touchpoints GROUP BY event ORDER BY 2 DESC"
    rapport query "SELECT * FROM profiles" --csv > profiles.csv
    rapport query --examples
    rapport query --example funnel
    rapport query --example rfm --show > rfm.sql
    rapport query - < rfm.sql
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError

    if examples:
        _list_examples(as_json)
        return
    if example is not None:
        sql = queries.read(example)
        if show:
            typer.echo(sql, nl=False)
            return
    settings = settings_of(data=data)
    if sql == "-":
        sql = sys.stdin.read()
    try:
        client = connect_to(settings, clickhouse_of(settings))
        if sql is None:
            _describe(client.query(_TABLES).named_results(), as_json)
        elif as_json or as_csv:
            _stream(client, sql, "JSONEachRow" if as_json else "CSVWithNames")
        else:
            _table(client, sql)
    except ClickHouseError as error:
        raise RapportError(f"ClickHouse refused it: {_reason(error)}") from None


def _list_examples(as_json: bool) -> None:
    found = queries.everything()
    if as_json:
        for name, about in found.items():
            json_line({"example": name, "about": about})
    else:
        table("rapport query --example NAME", ("example", "what it answers"), list(found.items()))


def _reason(error: Exception) -> str:
    """What the server said, without what the client put around it."""
    said = str(error).strip().rsplit("DB::Exception: ", 1)[-1]
    return re.sub(r" \(for url [^)]*\)$", "", said)


def _stream(client: "Client", sql: str, form: str) -> None:
    """Every row, as the server writes it."""
    settings = {"output_format_json_quote_64bit_integers": 0}
    with client.raw_stream(sql.rstrip().rstrip(";"), fmt=form, settings=settings) as stream:
        for chunk in stream:
            sys.stdout.buffer.write(chunk)
    sys.stdout.flush()


def _table(client: "Client", sql: str) -> None:
    result = client.query(sql.rstrip().rstrip(";"))
    rows, columns = result.result_rows, result.column_names
    numbers = [name for i, name in enumerate(columns) if rows and isinstance(rows[0][i], int | float)]
    table("", columns, [[_value(one) for one in row] for row in rows[:SHOWN]], numbers=numbers)
    if len(rows) > SHOWN:
        remarks().print(f"the first {SHOWN:,} of {len(rows):,} rows; --json or --csv prints all of them")


def _value(value: Any) -> Any:
    """A value as the warehouse has it: whole numbers may be years or ids, so nothing parts their thousands."""
    return str(value) if isinstance(value, int) else value


def _describe(columns: Iterable[dict[str, Any]], as_json: bool) -> None:
    for (name, about), group in groupby(columns, key=lambda column: (column["table"], column["about"])):
        found = [{"name": c["name"], "type": c["type"], "comment": c["comment"]} for c in group]
        if as_json:
            json_line({"table": name, "comment": about, "columns": found})
        else:
            table(
                f"{name}: {about}" if about else name,
                ("column", "type", "what it is"),
                [tuple(c.values()) for c in found],
            )
