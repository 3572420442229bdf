"""Rapport's own processes on the local services: `rapport worker …`, as many as were asked for."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.pipeline import STAGES
from services.runtime.cluster import wish
from services.runtime.cluster.addresses import LOOPBACK, free_ports
from services.runtime.cluster.clickhouse import ROOT, answers
from services.runtime.cluster.process import Process
from services.runtime.settings import Settings

READY_WITHIN = 180.0  # seconds


class Workers:
    """Processes of `rapport worker NAMES`, each with a folder of its own for what it keeps. They start together."""

    def __init__(self, folder: Path, made: Mapping[str, Sequence[str]], environment: Mapping[str, str]):
        self.name = "the workers " + ", ".join(made)
        self._environment, self._names = environment, list(made.values())
        self.processes = [Process(folder, f"worker-{name}") for name in made]
        self._ports = free_ports(len(made))

    def start(self) -> None:
        """Start them and wait until each can work."""
        for process, names, port in zip(self.processes, self._names, self._ports, strict=True):
            told = {"RAPPORT_DATA": str(process.folder / process.name), "RAPPORT_HEALTH_PORT": str(port)}
            command = [sys.executable, "-m", "services", "worker", *names]
            process.start(command, ROOT, environment=os.environ | self._environment | told)
        for process, port in zip(self.processes, self._ports, strict=True):
            health = f"http://{LOOPBACK}:{port}/readyz"
            process.wait_until(lambda health=health: answers(health), READY_WITHIN)  # type: ignore[misc]

    def stop(self) -> None:
        """Let them finish what they have in hand; kill those that take too long."""
        for process in self.processes:
            process.ask_to_stop()
        for process in self.processes:
            process.stop()


def workers(folder: Path, stages: int, settings: Settings) -> list[Workers]:
    """So many processes that run every stage, one that sends, one that fills ClickHouse; then, when what it takes in
    can go on, a collector."""
    told = wish.environment(settings) | {
        "RAPPORT_HOST": settings.host,
        "RAPPORT_PORT": str(settings.port),
        "RAPPORT_CONFIG": str(settings.config),
    }
    if settings.writer_password:
        told["RAPPORT_WRITER_PASSWORD"] = settings.writer_password.get_secret_value()
    every = {f"stages-{number}": list(STAGES) for number in range(1, stages + 1)}
    behind = every | {"delivery": ["delivery"], "warehouse": ["warehouse"]}
    return [Workers(folder, behind, told), Workers(folder, {"ingest": ["ingest"]}, told)]
