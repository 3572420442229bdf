"""`rapport audience`: who is in an audience, by its definition in the files, over everything that was accepted."""

import time
from typing import Annotated, Any

import typer

from schemas import fast
from services.commands.options import AsJson, ConfigFolder, Data, settings_of
from services.commands.reach import clickhouse_of
from services.commands.show import json_line, remarks, table
from services.configuration import load_config
from services.errors import RapportError
from services.profile.definitions import Definitions
from services.profile.sql import audience_sql
from services.runtime.clickhouse_reader import connect_to

SHOWN = 100  # people of a table; --json prints all
_PEOPLE = """
SELECT payload FROM profiles WHERE workspace = {{workspace: String}} AND profile_id IN ({inside})
ORDER BY profile_id
"""


def audience(
    name: Annotated[str, typer.Argument(help="One of the audiences in the configuration folder.")],
    workspace: Annotated[str, typer.Option(help="The workspace to look in.")] = "main",
    data: Data = None,
    config: ConfigFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show who is in an audience now, by its definition as it stands in the configuration folder.

    The archive is asked, so it also answers for an audience that you have only just written, before the platform runs
    with it. Nobody enters by being shown. --json prints the profile documents.

    \b
    rapport audience big_spenders
    rapport audience big_spenders --json > people.ndjson
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError

    settings = settings_of(data=data, config=config)
    asked = _PEOPLE.format(inside=_inside(load_config(settings.config).definitions, name))
    client = connect_to(settings, clickhouse_of(settings))
    try:
        found = client.query(asked, parameters={"workspace": workspace, "now": time.time_ns() // 1_000_000}).result_rows
    except ClickHouseError as error:
        raise RapportError(f"ClickHouse refused the question: {error}") from None
    people = [fast.loads(payload.encode()) for (payload,) in found]
    if as_json:
        for person in people:
            json_line(person)
        return
    table(
        f"{name}: {len(people):,} people", ("profile id", "name", "identifiers", "consent"), map(_row, people[:SHOWN])
    )
    if len(people) > SHOWN:
        remarks().print(f"the first {SHOWN:,} of them; --json prints all")


def _row(person: dict[str, Any]) -> tuple[str, ...]:
    called = person["traits"].get("name", {}).get("value") or ""
    consent = (f"{to} {answer}" for to, answer in person["consent"].items())
    return person["profile_id"], str(called), "\n".join(person["identifiers"]), "\n".join(consent)


def _inside(definitions: Definitions, name: str) -> str:
    """The SQL of the audience. Raises RapportError, naming those that there are, for one that is not."""
    if name not in dict(definitions.who):
        known = ", ".join(dict(definitions.who)) or "none is defined"
        raise RapportError(f"there is no audience `{name}`; there are: {known}")
    return audience_sql(definitions, name)
