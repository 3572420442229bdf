"""A dry run: the rows are judged by the collector's own code, in this process, and nothing is sent."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import msgspec
import typer

from schemas import fast
from services.commands.imports.importing import Way
from services.commands.imports.opening import opened
from services.commands.imports.progress import shown
from services.commands.imports.sending import Refused, Tally, Verdicts, content
from services.commands.show import json_line, table, warn
from services.configuration import Config
from services.ingest import api, body
from services.ingest.collect import Collector
from services.ingest.imports.row import Row, batches
from services.ingest.payload import Arrival
from services.ingest.sources import Source

FIRST = 5  # calls that are shown
REASONS = 20  # that are shown
WIDEST = 160  # characters of their properties and traits

Judge = Callable[[list[Row]], Verdicts]


def judge(config: Config, source: Source) -> Judge:
    """What the collector would say of a batch from this source; only it can know what would be a duplicate."""
    collector = Collector(config.identity, config.limits, lambda: "made-by-the-collector", plan=config.plan)

    def say(batch: list[Row]) -> Verdicts:
        envelope = api.opened("import", body.text(content(batch)), config.limits)
        arrival = Arrival(source, int(time.time() * 1_000), imported=True)
        found: Verdicts = msgspec.to_builtins(collector.collect(envelope.batch, "", arrival).verdicts)
        return found

    return say


def dry_run(way: Way, files: Sequence[str], say: Judge, sample: int | None) -> tuple[Tally, list[Row]]:
    """What would become of the files' rows (at most `sample` of each), and the first that would be accepted."""
    tally = Tally()
    first: list[Row] = []
    for file in files:
        with opened(file, way.mapping, way.source.name, way.most) as found, shown(file, found, 0, way.quiet) as moved:
            for batch in batches(islice(found.rows, sample), way.limits.batch_events, way.most):
                bad = {one.row.number for one in tally.add(file, batch, say(batch))}
                first += [row for row in batch if row.number not in bad][: FIRST - len(first)]
                moved(tally.rows)
    return tally, first


def tell(tally: Tally, first: Sequence[Row], as_json: bool) -> None:
    """Print what a dry run found."""
    if as_json:
        calls = [msgspec.Raw(row.item) for row in first]
        json_line(tally.counts() | {"calls": calls, "refused": [one._asdict() for one in tally.refused]})
        return
    if first:
        columns = ("line", "call", "who", "when", "properties and traits")
        table("the first calls", columns, map(_call, first))
    _reasons(tally)
    if first and not any("timestamp" in fast.loads(row.item) for row in first):
        warn("these calls do not say when it happened: they would be dated with the moment of the import")
    typer.echo(
        f"{tally.rows:,} rows: {tally.accepted:,} would be accepted, {tally.rejected:,} refused. Nothing was sent"
    )


def _call(row: Row) -> tuple[str, ...]:
    call = fast.loads(row.item)
    context: dict[str, Any] = call.get("context") or {}
    who = {name: call[name] for name in ("userId", "anonymousId", "groupId") if name in call}
    who |= context.get("traits") or {}
    who |= {one.get("type", ""): one.get("id", "") for one in context.get("externalIds") or ()}
    told = fast.dumps((call.get("properties") or {}) | (call.get("traits") or {})).decode()
    said = f"{call.get('type', '')} {call.get('event') or call.get('name') or ''}".strip()
    persons = ", ".join(f"{kind} {value}" for kind, value in who.items())
    return str(row.number), said, persons, str(call.get("timestamp", "")), told[:WIDEST]


def _reasons(tally: Tally) -> None:
    """Why rows would be refused: how many for each reason, and the first of each."""
    counts: Counter[tuple[str, str, str]] = Counter()
    first: dict[tuple[str, str, str], Refused] = {}
    for one in tally.refused:
        why = (one.code, one.field, "" if one.field else one.reason)
        counts[why] += 1
        first.setdefault(why, one)
    columns = ("rows", "code", "field", "first on", "reason")
    found = [
        (number, first[why].code, first[why].field, f"line {first[why].line:,}", first[why].reason)
        for why, number in counts.most_common(REASONS)
    ]
    if found:
        table(f"{tally.rejected:,} would be refused", columns, found, numbers=("rows",))
