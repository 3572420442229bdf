"""`rapport rejected replay`: refused items once more, each under its own source."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from services.commands.imports.sending import ENVELOPE, Tally, post
from services.commands.options import AsJson, ConfigFolder, Data, InWorkspace, settings_of
from services.commands.reach import http, running_on
from services.commands.rejected.asking import Code, Field, OfSource, asking
from services.commands.show import json_line, plain, remarks
from services.conditions import exact
from services.configuration import load_config
from services.errors import RapportError, Rejected
from services.ingest.imports.row import Row, batches
from services.ingest.replay import WEBHOOK, Edit, Moved, again, call_of, edited, mended
from services.ingest.sources import Limits, Source
from services.ingest.stamps import millis
from services.runtime import rejected_items
from services.runtime.rejected_items import Which

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

MOST = 10_000_000  # items of one replay
AT_ONCE = 500  # of one source
NAMED = 20  # that are refused again, one by one
LONGEST = 4 * 1024 * 1024  # bytes of a line


class Ready(NamedTuple):
    """An item to be sent again, by its source's name and workspace; `number` is its line, or its place in order."""

    workspace: str
    source: str
    row: Row
    id: str


def replay(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="What `rapport rejected export` wrote, mended.")
    ] = None,
    code: Code = "",
    source: OfSource = "",
    field: Field = "",
    item: Annotated[str, typer.Option("--id", metavar="ID", help="Only the item of this id.")] = "",
    put: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Put a value there, such as userId=u1.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(metavar="FROM=TO", help="Move a value, such as properties.email=traits.email.")
    ] = None,
    workspace: InWorkspace = None,
    data: Data = None,
    config: ConfigFolder = None,
    as_json: AsJson = False,
) -> None:
    """Send refused items again: those of a file, or those that the options choose, each under its own source.

    What is in already is left out, so a replay twice doubles nothing. An item without a time keeps the moment when it
    came first. Exits 1 when items are refused again; they are then in the list with their new reason.

    \b
    rapport rejected replay mend.ndjson
    rapport rejected replay --code no_identifier --source web --rename user_id=userId
    rapport rejected replay --id rejected-4c1f-0-12-3 --set properties.total=12.50
    """
    if file is None and not (code or source or field or item):
        raise RapportError("say what: a FILE of `rapport rejected export`, or --code, --source, --field or --id")
    if file is not None and (code or source or field or item):
        raise RapportError("say either a FILE or --code, --source, --field and --id")
    settings, edits = settings_of(data=data, config=config), _edits(put or [], rename or [])
    found, tally, left = load_config(settings.config), Tally(), Counter[str]()
    known = {(one.workspace, one.name): one for one in found.sources}
    with asking(settings) as client, http(running_on(settings)) as api:
        if file is not None:
            ready = _of_file(file, edits, tally)
        else:
            ready = _of_warehouse(
                client, Which(workspace or "", source, code, field, item, bool(item)), edits, tally, left
            )
        wanted = _open(ready, rejected_items.resolved(client), left)
        for sender, batch in _batches(wanted, known, found.limits):
            tally.add(sender.name, batch, post(api, batch, sender.write_key))
    _tell(tally, left, as_json)
    if tally.rejected:
        raise typer.Exit(1)


def _edits(put: Sequence[str], rename: Sequence[str]) -> list[Edit]:
    """Renames first, so that what is set has the last word. A value that is JSON stays it, any other is text."""
    moved: list[Edit] = [(to, Moved(path)) for path, to in map(_pair, rename)]
    return [*moved, *((path, _value(text)) for path, text in map(_pair, put))]


def _pair(text: str) -> tuple[str, str]:
    path, equals, value = text.partition("=")
    if not (path and equals and value):
        raise RapportError(f"{text!r} has not two sides, like user_id=userId")
    return path, value


def _value(text: str) -> Any:
    found = exact.value(text)
    return text if found is None and text != "null" else found


def _of_file(file: Path, edits: Sequence[Edit], tally: Tally) -> Iterator[Ready]:
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(LONGEST), b""), 1):
                if not line.strip():
                    continue
                try:
                    one = mended(line)
                    item = again(edited(one.call, edits), one.id, millis(one.received_at, "received_at") or 0)
                except Rejected as error:
                    tally.add(str(file), [Row(number, b"", str(error), error.code, error.field)], [])
                else:
                    yield Ready(one.workspace, one.source, Row(number, item), one.id)
    except OSError as error:
        raise RapportError(f"{file} cannot be read: {error.strerror}") from None


def _of_warehouse(
    client: "Client", which: Which, edits: Sequence[Edit], tally: Tally, left: Counter[str]
) -> Iterator[Ready]:
    for number, one in enumerate(rejected_items.items(client, which, MOST), 1):
        if one.kind == WEBHOOK:
            left["of webhooks: their provider sends them again"] += 1
            continue
        try:
            item = again(edited(call_of(one), edits), one.id, one.at)
        except Rejected as error:
            tally.add(one.source, [Row(number, b"", f"{one.id}: {error}", error.code)], [])
        else:
            yield Ready(one.workspace, one.source, Row(number, item), one.id)


def _open(found: Iterable[Ready], resolved: frozenset[tuple[str, str]], left: Counter[str]) -> Iterator[Ready]:
    """Those that are not in yet."""
    for one in found:
        if (one.workspace, one.id) in resolved:
            left["in already"] += 1
        else:
            yield one


def _batches(
    found: Iterable[Ready], known: dict[tuple[str, str], Source], limits: Limits
) -> Iterator[tuple[Source, list[Row]]]:
    """Batches of one source each. Raises RapportError at the first item whose source is not configured."""
    waiting: dict[tuple[str, str], list[Row]] = {}
    for one in found:
        whose = (one.workspace, one.source)
        if whose not in known:
            raise RapportError(
                f"the configuration has no source {one.source!r} of workspace {one.workspace!r} any more: put it back,"
                " or leave its items out"
            )
        rows = waiting.setdefault(whose, [])
        rows.append(one.row)
        if len(rows) >= AT_ONCE:
            yield from _cut(known[whose], waiting.pop(whose), limits)
    for whose, rows in waiting.items():
        yield from _cut(known[whose], rows, limits)


def _cut(source: Source, rows: list[Row], limits: Limits) -> Iterator[tuple[Source, list[Row]]]:
    most = limits.batch_bytes - ENVELOPE
    return ((source, batch) for batch in batches(rows, limits.batch_events, most))


def _tell(tally: Tally, left: Counter[str], as_json: bool) -> None:
    if as_json:
        json_line(tally.counts() | {"left_out": left.total(), "refused": [one._asdict() for one in tally.refused]})
        return
    for one in tally.refused[:NAMED]:
        remarks().print(plain(f"{one.file} {one.line}: {one.reason}"), markup=False)
    for why, count in left.items():
        remarks().print(f"{count:,} left out, {why}", markup=False)
    typer.echo(
        f"{tally.rows:,} items: {tally.accepted:,} accepted, {tally.duplicates:,} known already,"
        f" {tally.rejected:,} refused"
    )
