"""`rapport account`: one company or group, and who belongs to it."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from services.commands.options import AsJson, ConfigFolder, Data, settings_of
from services.commands.profile import values
from services.commands.reach import http, running_on, unread
from services.commands.show import cell, instant, json_line, remarks, table
from services.errors import RapportError
from services.runtime.clickhouse_reader import connect

_COUNT = "SELECT count() FROM account_people WHERE workspace = {workspace:String} AND account = {account:String}"
_PEOPLE = """
SELECT profile_id, identifiers, touchpoints, toUnixTimestamp64Milli(last_seen) AS seen
FROM profiles
WHERE workspace = {workspace:String} AND profile_id IN (
    SELECT profile_id FROM account_people WHERE workspace = {workspace:String} AND account = {account:String}
)
ORDER BY seen DESC, profile_id LIMIT {most:UInt32}
"""


def account(
    group: Annotated[str, typer.Argument(metavar="GROUP_ID", help="The groupId that `group` calls gave it.")],
    workspace: Annotated[str, typer.Option(help="The workspace to look in.")] = "main",
    people: Annotated[int, typer.Option(min=0, max=1_000, help="How many of its people to show.")] = 20,
    data: Data = None,
    config: ConfigFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show one account: its traits, and the people who belong to it, those seen last first. Exits 1 when there is none.

    \b
    rapport account acme
    rapport account acme --people 100
    rapport account acme --json | jq .traits
    """
    settings = settings_of(data=data, config=config)
    running = running_on(settings)
    with http(running, settings.key_for(workspace)) as client:
        response = client.get(f"/v1/accounts/{quote(group, safe='')}", params={"workspace": workspace})
    if response.status_code == 404:
        raise RapportError(f"there is no account {group!r} in workspace {workspace!r}: no group call told of it")
    if response.status_code != 200:
        raise unread(response)
    found = response.json()
    if as_json:
        json_line(found)
        return
    _card(group, found)
    if people:
        asked = {"workspace": workspace, "account": group}
        warehouse = connect(settings, running.clickhouse_port)
        known = int(warehouse.query(_COUNT, parameters=asked).result_rows[0][0])
        _people(known, list(warehouse.query(_PEOPLE, parameters=asked | {"most": people}).result_rows))


def _card(group: str, found: dict[str, Any]) -> None:
    seen = f"{instant(found.get('first_seen'))} … {instant(found.get('last_seen'))}"
    rows = [("group id", group), ("profile id", found["profile_id"])]
    table("", ("", "account"), [*rows, ("touchpoints", cell(found["touchpoints"])), ("seen", seen)])
    values(found)


def _people(known: int, rows: list[Any]) -> None:
    shown = [(profile_id, "\n".join(names), count, instant(seen)) for profile_id, names, count, seen in rows]
    table(f"people: {known:,}", ("profile id", "identifiers", "touchpoints", "last seen"), shown, ("touchpoints",))
    if known > len(rows):
        remarks().print(f"the {len(rows):,} seen last of them; --people shows more")
