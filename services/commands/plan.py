"""`rapport plan`: propose a tracking plan from what was seen, and list what violates the one that there is."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from schemas import fast
from services.commands.options import AsJson, Data, InWorkspace, settings_of
from services.commands.reach import clickhouse_of
from services.commands.show import instant, json_line, remarks, table
from services.errors import RapportError
from services.ingest.plan.definitions import MOST
from services.ingest.plan.inference import proposed
from services.runtime.clickhouse_reader import connect_to

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_EVENTS = """
SELECT source, type, if(type = 'track', event, '') AS name, count() AS number
FROM touchpoints
WHERE workspace = {workspace:String} AND ({source:String} = '' OR source = {source:String})
  AND ({event:String} = '' OR event = {event:String}) AND type != 'alias'
GROUP BY source, type, name ORDER BY source, number DESC, type, name LIMIT {most:UInt32}
"""
_SAMPLES = """
SELECT JSONExtractRaw(payload, {part:String}) AS object
FROM touchpoints
WHERE workspace = {workspace:String} AND source = {source:String} AND type = {type:String}
  AND (type != 'track' OR event = {event:String})
ORDER BY received_at DESC LIMIT {samples:UInt32}
"""
_VIOLATIONS = """
SELECT source, type, event, verdict, place, count() AS number, max(received_at) AS newest, any(violation) AS example
FROM violations
WHERE {workspace:String} IN ('', workspace)
GROUP BY source, type, event, verdict, place ORDER BY number DESC LIMIT {limit:UInt32}
"""
_ABOUT = {"identify": "traits", "group": "traits"}  # which part of a call is described; else its properties


def infer(
    source: Annotated[str, typer.Option(metavar="NAME", help="Only events of this source.")] = "",
    event: Annotated[str, typer.Option(metavar="NAME", help="Only this event.")] = "",
    samples: Annotated[int, typer.Option(min=1, max=100_000, help="Of each event the newest so many.")] = 1_000,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there; else it is printed.")] = None,
    workspace: InWorkspace = None,
    data: Data = None,
) -> None:
    """Propose a tracking plan from what was accepted: a JSON Schema for each event of each source.

    It only flags at first (`on_violation: flag`). Look at it before you block anything: what was seen may be wrong.

    \b
    rapport plan infer
    rapport plan infer --source shop --event "Order Completed" --samples 5000
    rapport plan infer --out config/plan.yaml
    """
    if out is not None and out.exists():
        raise RapportError(f"{out} is there already; name another file, and move over what you like of it")
    settings = settings_of(data=data)
    client = connect_to(settings, clickhouse_of(settings))
    chosen = {"workspace": workspace or "main", "source": source, "event": event}
    planned = list(_planned(client, chosen, samples))
    if not planned:
        raise RapportError("nothing of this kind was accepted so far, so there is nothing to propose a plan from")
    text = yaml.safe_dump({"events": planned}, sort_keys=False, allow_unicode=True, width=120)
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        remarks().print(f"{out}: {len(planned)} events; `rapport check-config` checks it, `rapport up` uses it")


def _planned(client: "Client", chosen: dict[str, str], samples: int) -> Iterator[dict[str, Any]]:
    for found in client.query(_EVENTS, parameters=chosen | {"most": MOST}).named_results():
        part = _ABOUT.get(found["type"], "properties")
        asked = chosen | {"source": found["source"], "type": found["type"], "event": found["name"]}
        rows = client.query(_SAMPLES, parameters=asked | {"part": part, "samples": samples}).result_rows
        what = {"event": found["name"]} if found["type"] == "track" else {"type": found["type"]}
        yield {"source": found["source"], **what, "on_violation": "flag", part: proposed([_read(r[0]) for r in rows])}


def _read(text: str) -> dict[str, Any]:
    return fast.loads(text) if text else {}


def violations(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many kinds of violations at most.")] = 50,
    workspace: InWorkspace = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List what violates the tracking plan, by source, event and place, the most frequent first.

    \b
    rapport plan violations
    rapport plan violations --json | jq -r .example
    """
    settings = settings_of(data=data)
    client = connect_to(settings, clickhouse_of(settings))
    found = list(client.query(_VIOLATIONS, parameters={"workspace": workspace or "", "limit": limit}).named_results())
    if as_json:
        for one in found:
            json_line(one | {"newest": one["newest"].isoformat()})
    elif not found:
        typer.echo("nothing violates the plan")
    else:
        rows = [
            (o["number"], o["source"], o["event"] or o["type"], o["verdict"], o["place"],
             instant(int(o["newest"].timestamp() * 1000)), o["example"])
            for o in found
        ]  # fmt: skip
        table("", ("times", "source", "event", "verdict", "where", "newest", "example"), rows, numbers=("times",))


PLAN = {"infer": infer, "violations": violations}
