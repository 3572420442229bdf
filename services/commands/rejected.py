"""`rapport rejected`: what was refused, and why."""

import sys
from collections import Counter, deque
from typing import Annotated

import msgspec
import typer

from schemas.fast import RejectedItem
from services.commands.options import AsJson, Data, InWorkspace, settings_of
from services.commands.reach import files_of, reading
from services.commands.show import instant, json_line, table
from services.commands.topic_files import messages


def rejected(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the newest to list.")] = 20,
    code: Annotated[str | None, typer.Option(help="Only those refused with this code.")] = None,
    workspace: InWorkspace = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print the items themselves, as they came, one a line.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List what was refused: how many for which reason, and the newest.

    With --raw the items come out as they went in, so that they can be mended and imported again.

    \b
    rapport rejected
    rapport rejected --code no_identifier --limit 1000 --raw > mend-me.ndjson
    rapport rejected --json | jq -r .reason
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    newest: deque[RejectedItem] = deque(maxlen=limit)
    with reading(files_of(settings_of(data=data)).log) as reader:
        for item in messages(reader, "rejected"):
            if code in (None, item.code) and workspace in (None, item.workspace):
                counts[item.source, item.code, item.field] += 1
                newest.append(item)
    if raw:
        sys.stdout.writelines(_as_it_came(item) + "\n" for item in newest)
    elif as_json:
        for item in newest:
            json_line(item)
    else:
        _tables(counts, newest)


def _as_it_came(item: RejectedItem) -> str:
    """The item on one line. What was no JSON at all was kept as JSON text by `rapport import`: the text itself."""
    try:
        text = msgspec.json.decode(item.raw, type=str) if item.raw.startswith('"') else item.raw
    except msgspec.DecodeError:
        text = item.raw
    return text.replace("\n", " ")


def _tables(counts: Counter[tuple[str, str, str]], newest: deque[RejectedItem]) -> None:
    if not counts:
        typer.echo("nothing was refused")
        return
    groups = [(number, *group) for group, number in counts.most_common()]
    table(f"{counts.total():,} refused", ("items", "source", "code", "field"), groups, numbers=("items",))
    rows = [(instant(i.received_at), i.source, i.message_id, f"{i.reason} {i.hint}".strip()) for i in reversed(newest)]
    table(f"the newest {len(newest)}", ("when", "source", "messageId", "reason"), rows)
