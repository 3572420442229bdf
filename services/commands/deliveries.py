"""`rapport deliveries`: the ledger of follow-ups, dead letters first of all."""

from typing import Annotated, Any, get_args

import typer

from services.commands.options import AsJson, Data, InWorkspace, settings_of
from services.commands.reach import files_of, reading
from services.commands.show import instant, json_line, plain, remarks, table
from services.errors import RapportError
from services.runtime.followups.desk import AGAIN
from services.runtime.followups.ledger import Status, rows

_ENDED_BADLY = ",".join(AGAIN)


def deliveries(
    status: Annotated[
        str, typer.Option(metavar="STATUS,…", help="waiting, attempting, sent, held, failed, uncertain, dead.")
    ] = _ENDED_BADLY,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many to list, the newest.")] = 100,
    workspace: InWorkspace = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List follow-ups: how many became what, and those that ended badly with the reason.

    \b
    rapport deliveries
    rapport deliveries --status sent --json
    rapport deliveries --status held --workspace main
    rapport deliveries && rapport resend --all
    """
    statuses = chosen(status)
    with reading(files_of(settings_of(data=data)).ledger) as ledger:
        counts = ledger.execute(
            "SELECT workspace, rule, kind, status, count(*) FROM sends WHERE workspace = coalesce(?, workspace)"
            " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
            (workspace,),
        ).fetchall()
        chosen_rows = [send for send in rows(ledger, statuses, limit=-1) if workspace in (None, send.workspace)]
        found = [as_shown(send._asdict()) for send in chosen_rows[-limit:]]
    if as_json:
        for one in found:
            json_line(one)
        return
    if not counts:
        typer.echo("no follow-up was made yet")
        return
    table("follow-ups", ("workspace", "rule", "kind", "status", "how many"), counts, numbers=("how many",))
    for one in found:
        typer.echo(plain(as_text(one)))
    if "held" not in statuses and any(row[3] == "held" for row in counts):
        remarks().print("why some are held: `rapport deliveries --status held`")


def chosen(text: str) -> list[Status]:
    """The statuses named in the text. Raises RapportError, with those there are, for any other word."""
    every: tuple[Status, ...] = get_args(Status)
    named = [word.strip() for word in text.split(",")]
    unknown = [word for word in named if word not in every]
    if unknown:
        raise RapportError(f"there is no status {', '.join(unknown)}; there are: {', '.join(every)}")
    return [status for status in every if status in named]


def as_shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row without the stored action, which `rapport tail actions` shows."""
    return {name: value for name, value in row.items() if name != "action"}


def as_text(row: dict[str, Any]) -> str:
    """A row in two lines: its key, to be copied, and what became of it."""
    tries, to = f"{row['attempt']} tries" if row["attempt"] != 1 else "1 try", row["recipient"] or "nobody yet"
    became = f"{row['status']} {instant(row['at'])} after {tries}, to {to}"
    return f"{row['key']}\n  {became}{': ' + row['reason'] if row['reason'] else ''}"
