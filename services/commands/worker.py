"""`rapport worker`: one process of a distributed platform."""

from functools import partial
from importlib import import_module
from typing import Annotated

import typer

from services.commands.options import ConfigFolder, Data, settings_of
from services.commands.show import remarks
from services.errors import RapportError
from services.pipeline import STAGES
from services.runtime import garbage, logs

ALONE = ("ingest", "delivery", "warehouse")
Names = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...",
        help=f"What it does: one of {', '.join(ALONE)}; or one or several of {', '.join(STAGES)}.",
    ),
]


def worker(name: Names, data: Data = None, config: ConfigFolder = None) -> None:
    """Run one process of a distributed platform, until Ctrl-C or SIGTERM. Start as many of each as there is work for:
    they share the partitions. Only delivery is one: it has the ledger of follow-ups in its data folder.

    Where Kafka, Redis and ClickHouse are comes from the environment: RAPPORT_KAFKA, RAPPORT_REDIS, RAPPORT_CLICKHOUSE
    (docs/cluster.md). /livez, /readyz and /metrics are answered on RAPPORT_HEALTH_PORT.

    \b
    rapport worker ingest
    rapport worker fold identity assemble accounts rules
    rapport worker delivery --data /var/lib/rapport
    """
    settings, names = settings_of(data=data, config=config), list(dict.fromkeys(name))
    if unknown := [one for one in names if one not in (*ALONE, *STAGES)]:
        raise RapportError(f"there is no worker {unknown[0]!r}: there are {', '.join((*ALONE, *STAGES))}")
    if len(names) > 1 and (alone := [one for one in names if one in ALONE]):
        raise RapportError(f"{alone[0]} is a process of its own: start `rapport worker {alone[0]}` beside the others")
    logs.configure("-".join(names))

    def ready(port: object) -> None:
        garbage.settle()
        remarks().print(f"worker {' '.join(names)} is at work; health on port {port}")

    work = import_module(f"services.runtime.workers.{names[0] if names[0] in ALONE else 'process'}")
    serve = work.serve if names[0] in ALONE else partial(work.serve, stages=names)
    serve(settings, ready=ready)
