"""`rapport rejected` and `rapport rejected show`: what was refused, by reason and one by one."""

from typing import Annotated

import typer

from schemas import fast
from services.commands.options import AsJson, Data, InWorkspace, settings_of
from services.commands.rejected.asking import Code, Field, OfSource, Resolved, asking
from services.commands.show import instant, json_line, plain, table
from services.ingest.replay import call_of
from services.runtime import rejected_items
from services.runtime.rejected_items import Group, Which

WIDEST = 100  # characters of a reason in the list


def rejected(
    code: Code = "",
    source: OfSource = "",
    field: Field = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many reasons to list.")] = 50,
    workspace: InWorkspace = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List why items were refused: how many, when, and an example. `open` ones are not in yet, `resolved` ones came in
    later.

    \b
    rapport rejected
    rapport rejected show --code no_identifier
    rapport rejected replay --code no_identifier --rename user_id=userId
    rapport rejected export --source shop -o mend.ndjson
    rapport rejected replay mend.ndjson
    """
    which = Which(workspace or "", source, code, field, resolved=True)
    with asking(settings_of(data=data)) as client:
        found = rejected_items.groups(client, which, limit)
    if as_json:
        for group in found:
            json_line(group._asdict())
    elif not found:
        typer.echo("nothing was refused")
    else:
        columns = ("open", "resolved", "from", "code", "field", "when", "what the last one was told")
        rows = [
            (one.open, one.done, f"{one.source} {one.kind}".strip(), one.code, one.field, _days(one),
             one.example[:WIDEST])
            for one in found
        ]  # fmt: skip
        title = f"{sum(one.open for one in found):,} refused and open"
        table(title, columns, rows, numbers=("open", "resolved"))


def _days(group: Group) -> str:
    """The day of the first and of the last item."""
    first, last = instant(group.first)[:10], instant(group.last)[:10]
    return first if first == last else f"{first} to {last}"


def show(
    item: Annotated[str, typer.Argument(metavar="[ID]", help="The id of one item.")] = "",
    code: Code = "",
    source: OfSource = "",
    field: Field = "",
    resolved: Resolved = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the newest to show.")] = 10,
    workspace: InWorkspace = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show refused items as they came, the newest first, each with its reason.

    \b
    rapport rejected show
    rapport rejected show --code invalid_time --limit 100 --json | jq -r .raw
    """
    which = Which(workspace or "", source, code, field, item, resolved or bool(item))
    with asking(settings_of(data=data)) as client:
        found = list(rejected_items.items(client, which, limit))
    for one in found:
        if as_json:
            json_line(one._asdict())
            continue
        state = " (resolved)" if one.resolved else ""
        typer.echo(plain(f"{instant(one.at)}  {one.source} {one.kind}  {one.id}{state}".replace("  ", " ")))
        typer.echo(plain(f"  {one.code}: {one.reason}"))
        typer.echo(plain(f"  {fast.dumps(call_of(one)).decode()}"))
    if not found and not as_json:
        typer.echo("there is no such item")
