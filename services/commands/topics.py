"""`rapport topics`: Kafka's topics as the distributed platform needs them."""

from typing import Annotated

import typer
from rich.text import Text

from services.commands.options import AsJson, settings_of
from services.commands.show import json_line, table
from services.runtime.kafka.topic_plan import Step, plan
from services.runtime.kafka.topic_plan import apply as carried_out
from services.runtime.kafka.topics import administrator, described, wanted

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]

_COLOURS = {"create": "green", "change": "yellow", "refused": "bold red", "nothing": "dim"}


def apply(dry_run: DryRun = False) -> None:
    """Make Kafka's topics what the platform needs; the same again has nothing to do. Run it before the first worker.

    What is missing is created, with RAPPORT_PARTITIONS and RAPPORT_REPLICATION. What does no harm is changed (how long,
    how large). What would lose or displace data (another number of partitions, say) is refused with the way to do it
    safely: then nothing at all is done, and the exit status is 1.

    \b
    rapport topics apply --dry-run
    RAPPORT_KAFKA=broker-1:9092,broker-2:9092 RAPPORT_REPLICATION=3 rapport topics apply
    """
    settings = settings_of()
    client = administrator(settings)
    steps = plan(client, settings)
    _show(steps)
    if refused := [step for step in steps if step.verdict == "refused"]:
        for remedy in dict.fromkeys(step.remedy for step in refused):
            for step in refused:
                if step.remedy == remedy:
                    typer.echo(f"refused: {step.told}", err=True)
            typer.echo(f"{remedy}.", err=True)
        raise typer.Exit(1)
    if not dry_run:
        carried_out(client, settings, steps)
    _say(steps, dry_run)


def list_(as_json: AsJson = False) -> None:
    """List the topics of this installation as they are in Kafka.

    \b
    rapport topics list
    rapport topics list --json | jq -r 'select(.id == null) | .topic'
    """
    settings = settings_of()
    needed = wanted(settings)
    found = described(administrator(settings), settings, [one.name for one in needed])
    if as_json:
        for one in needed:
            there = found.get(one.name)
            known = {"partitions": there.partitions, "replicas": there.replication} if there else {}
            json_line({"topic": one.topic, "name": one.name, "id": there.incarnation if there else None} | known)
        return
    rows = [(one.name, *(found.get(one.name) or (None, None, Text("missing", style="red")))) for one in needed]
    table(f"topics at {settings.kafka}", ("topic", "partitions", "replicas", "id"), rows, ("partitions", "replicas"))


def _show(steps: list[Step]) -> None:
    rows = []
    for step in steps:
        one, verdict = step.wanted, Text(step.verdict, style=_COLOURS[step.verdict])
        kept = "last of each key" if one.configs["cleanup.policy"] == "compact" else f"{_hours(one.configs)} h"
        told = "see below" if step.verdict == "refused" else step.told
        rows.append((one.name, one.partitions, one.replication, kept, verdict, told))
    columns = ("topic", "partitions", "replicas", "keeps", "to do", "")
    table("topics", columns, rows, ("partitions", "replicas"))


def _hours(configs: dict[str, str]) -> int:
    return int(configs["retention.ms"]) // 3_600_000


def _say(steps: list[Step], dry_run: bool) -> None:
    counts = {verdict: sum(step.verdict == verdict for step in steps) for verdict in ("create", "change")}
    if not any(counts.values()):
        typer.echo("the topics are as they should be")
    elif dry_run:
        typer.echo(f"to create: {counts['create']}, to change: {counts['change']}; nothing was done")
    else:
        typer.echo(f"created: {counts['create']}, changed: {counts['change']}")


TOPICS = {"apply": apply, "list": list_}
