"""`rapport cluster`: Kafka, Redis, ClickHouse's interface and Rapport's workers on one machine, without Docker."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from services.commands.options import AsJson, ConfigFolder, settings_of
from services.commands.show import json_line, remarks, table
from services.commands.up import until_asked_to_stop
from services.errors import RapportError
from services.runtime.cluster import record
from services.runtime.cluster.kafka import MOST_BROKERS
from services.runtime.cluster.local import LocalCluster
from services.runtime.cluster.process import Process
from services.runtime.cluster.wish import Wish, environment
from services.runtime.settings import Settings

PARTITIONS = 8  # enough for one machine; RAPPORT_PARTITIONS or --partitions says otherwise
DOWN_WITHIN = 120.0  # seconds until `down` stops itself what the cluster's own process did not

Folder = Annotated[Path, typer.Option("--data", metavar="DIR", help="The cluster's folder.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0: any that is free.")]


def up(
    data: Folder = Path("cluster"),
    config: ConfigFolder = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many processes run the stages.")] = 1,
    brokers: Annotated[int, typer.Option(min=1, max=MOST_BROKERS, help="How many Kafka brokers.")] = 1,
    partitions: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help=f"Partitions of the topics; else {PARTITIONS}. Settled at first."),
    ] = None,
    services_only: Annotated[bool, typer.Option("--services-only", help="No topics, no workers.")] = False,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The API's port; else 8080.")] = None,
    kafka_port: Annotated[int, typer.Option(min=0, max=65535, help="The first broker's; the next ones follow.")] = 9092,
    redis_port: Port = 6379,
    clickhouse_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Its port; else 8123.")] = None,
) -> None:
    """Run a cluster on this machine until Ctrl-C: Kafka, Redis, ClickHouse's interface, and Rapport's workers.

    The services are real ones, in processes of their own; what they keep lies in the folder and is there again at the
    next start. A port 0 takes any that is free. Kafka needs Java, and Maven once, to fetch its jars (43 MB); Redis
    needs redis-server. RAPPORT_REDIS_PASSWORD and RAPPORT_WRITER_PASSWORD are used where they are set.

    \b
    rapport cluster up
    rapport cluster up --workers 2 --brokers 3
    rapport cluster up --services-only --data /tmp/services --kafka-port 0 --redis-port 0 --clickhouse-port 0
    """
    given = settings_of(config=config, port=port, clickhouse_port=clickhouse_port, partitions=partitions)
    if "partitions" not in given.model_fields_set:
        given = given.model_copy(update={"partitions": PARTITIONS})
    run(data, given, Wish(brokers, kafka_port, redis_port, workers, services_only))


def run(folder: Path, given: Settings, wish: Wish) -> None:
    """Start, say where everything is, wait for Ctrl-C or SIGTERM, stop. Raises RapportError when a process ends."""
    stopped, ended = threading.Event(), None
    with until_asked_to_stop(stopped), telling() as tell:
        cluster = LocalCluster(folder, given, wish, tell)
        try:
            settings = cluster.start(stopped)
            if not stopped.is_set():
                tell("")
                welcome(folder, settings, wish)
            ended = cluster.watch(stopped)
        finally:
            cluster.stop()
    if ended:
        raise RapportError(
            f"{ended.name} ended unexpectedly, so everything was stopped; {ended.last_words()}\n"
            f"Nothing that was accepted is lost: start again with `rapport cluster up --data {folder}`"
        )
    remarks().print(f"stopped; everything is in {folder}")


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """How to say what is being done: as one moving line on a terminal, else as lines. Nothing: wait in silence."""
    console = remarks()
    if not console.is_terminal:
        yield lambda text: console.print(text, markup=False) if text else None
        return
    with console.status("") as status:

        def tell(text: str) -> None:
            status.update(text)
            (status.start if text else status.stop)()

        yield tell


def welcome(folder: Path, settings: Settings, wish: Wish) -> None:
    """Say where everything is, and what to do next."""
    api = f"http://{settings.host}:{settings.port}"
    lines = [
        "[bold]The cluster is up[/bold]",
        f"  Kafka       {settings.kafka}",
        f"  Redis       {settings.redis}",
        f"  ClickHouse  {settings.clickhouse}  (user: reader)",
    ]
    if not wish.services_only:
        lines.append(f"  API         {api}  (docs: {api}/docs)")
    lines.append(f"  folder      {folder.resolve()}  (data and logs)")
    console = remarks()
    console.print("\n".join(lines))
    console.print("For commands and workers in another terminal:")
    console.print(
        f"  export {' '.join(f'{name}={value}' for name, value in environment(settings).items())}", markup=False
    )
    if wish.services_only:
        console.print("  rapport topics apply")
        if not settings.writer_password:
            console.print("Nobody can write to ClickHouse: set RAPPORT_WRITER_PASSWORD before `rapport cluster up`.")
    else:
        example = """-d '{"userId": "ann", "event": "Order Completed"}'"""
        console.print(f"  curl -u demo-web: {api}/v1/track {example}", markup=False)
        console.print(f"  curl {api}/v1/profiles/by/user_id/ann")
    console.print("Ctrl-C ends it, or `rapport cluster down` in another terminal.")


def down(data: Folder = Path("cluster")) -> None:
    """Stop the cluster of a folder, and what a killed one has left. Its data stay.

    \b
    rapport cluster down
    rapport cluster down --data /tmp/services
    """
    folder = data.resolve()
    pid = record.parent(folder)
    if pid is None and not record.left_running(folder):
        remarks().print(f"nothing runs in {folder}")
        return
    with telling() as tell:
        if pid is not None:
            tell(f"asking process {pid} to stop its cluster")
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + DOWN_WITHIN
            while record.parent(folder) is not None and time.monotonic() < deadline:
                time.sleep(0.1)
        for process in record.left_running(folder):
            tell(f"stopping {process.name}")
            process.stop()
    if record.parent(folder) is not None:
        raise RapportError(f"process {pid} did not end within {DOWN_WITHIN:.0f} s; all of its cluster was stopped")
    remarks().print(f"stopped; everything is in {folder}")


def status(data: Folder = Path("cluster"), as_json: AsJson = False) -> None:
    """What runs in a folder, and where it is. Exits with 1 when something that should run does not.

    \b
    rapport cluster status
    rapport cluster status --json | jq -r .kafka
    """
    folder = data.resolve()
    told, pid, every = record.read(folder), record.parent(folder), record.processes(folder)
    if told is None or (pid is None and not every):
        raise RapportError(f"nothing runs in {folder}: start it with `rapport cluster up --data {data}`")
    addresses = {"kafka": told.kafka, "redis": told.redis, "clickhouse": told.clickhouse, "api": told.api}
    if as_json:
        json_line({"up": pid} | addresses | {"processes": {process.name: process.pid for process in every}})
    else:
        table(f"cluster in {folder}", ("process", "pid", "at"), _rows(pid, every, addresses), ("pid",))
    if pid is None or any(process.pid is None for process in every):
        raise typer.Exit(1)


def _rows(pid: int | None, every: list[Process], addresses: dict[str, str]) -> list[tuple[str, str, str]]:
    where = {"kafka-1": "kafka", "redis": "redis", "clickhouse": "clickhouse", "worker-ingest": "api"}
    rows = [("cluster up", str(pid or "ended"), "")]
    for process in every:
        rows.append((process.name, str(process.pid or "ended"), addresses.get(where.get(process.name, ""), "")))
    return rows


CLUSTER = {"up": up, "down": down, "status": status}
