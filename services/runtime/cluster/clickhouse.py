"""ClickHouse's HTTP interface on this machine: `rapport clickhouse` as a process of the cluster."""

import os
import sys
from pathlib import Path

import httpx

from services.runtime.cluster.addresses import LOOPBACK
from services.runtime.cluster.process import Process

READY_WITHIN = 180.0  # seconds; chdb alone takes two to load
ROOT = Path(__file__).parents[3]  # where `python -m services` finds it


class ClickHouse:
    """Its process, and the folder `clickhouse` with its tables. Without `writer_password` nobody can write."""

    def __init__(self, folder: Path, port: int, writer_password: str = ""):
        self.name, self.process = "ClickHouse", Process(folder, "clickhouse")
        self.processes = [self.process]
        self.url = f"http://{LOOPBACK}:{port}"
        self._port, self._password = port, writer_password

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["--data", str(self.process.folder), "--port", str(self._port)]
        environment = dict(os.environ)
        if self._password:
            environment["RAPPORT_WRITER_PASSWORD"] = self._password
        self.process.start([sys.executable, "-m", "services", "clickhouse", *options], ROOT, environment=environment)
        self.process.wait_until(lambda: answers(f"{self.url}/ping"), READY_WITHIN)

    def stop(self) -> None:
        """Stop it cleanly: what was inserted is on disk."""
        self.process.stop()


def answers(url: str) -> bool:
    """Whether GET is answered with 200 there."""
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
