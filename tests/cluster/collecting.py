"""The collector of a cluster as a process, and what it has put on Kafka."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import Consumer, TopicPartition

from services.runtime.cluster.addresses import free_ports
from services.runtime.kafka.connection import topic_name
from services.runtime.settings import Settings
from tests.cluster.engines import variables, wait_for


class IngestWorker:
    """`rapport worker ingest`. Standard error is a file, or with `limited`, which the child runs first, a pipe."""

    def __init__(self, settings: Settings, folder: Path, limited: Callable[[], None] | None = None):
        port, health = free_ports(2)
        self.settings = settings.model_copy(update={"port": port, "health_port": health})
        self.log, environment = folder / "ingest.log", variables(self.settings) | {"RAPPORT_ADMIN_KEY": "adm"}
        command = [sys.executable, "-m", "services", "worker", "ingest"]
        with self.log.open("ab") as out:
            said = subprocess.PIPE if limited else out
            inherited = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
            self.process = subprocess.Popen(
                command, env=inherited | environment, stdout=said, stderr=said, preexec_fn=limited
            )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=40, trust_env=False)

    def ready(self) -> "IngestWorker":
        """Once it is."""
        wait_for(lambda: self.process.poll() is not None or not self.reasons(), 40)
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        return self

    def reasons(self) -> list[str]:
        """Why it is not ready."""
        try:
            return list(self.http.get("/readyz").json()["reasons"])
        except httpx.HTTPError as error:
            return [str(error)]

    def post(self, path: str, body: Any, key: str = "key-web") -> httpx.Response:
        """One request of the tracking API."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()} if key else {}
        return self.http.post(path, content=data, headers=named)


@contextmanager
def collecting(settings: Settings, folder: Path, limited: Callable[[], None] | None = None) -> Iterator[IngestWorker]:
    """The worker, ready; it is stopped at the end, and must end well."""
    worker = IngestWorker(settings, folder, limited)
    try:
        yield worker.ready()
        worker.process.terminate()
        assert worker.process.wait(20) == 0, worker.log.read_text()[-4000:]
    finally:
        worker.http.close()
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait(10)


def lying(settings: Settings, topic: str, partitions: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every line of a topic, with the partition that it lies in."""
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka, "group.id": "tests", "enable.auto.commit": False,
         "enable.partition.eof": True}
    )  # fmt: skip
    consumer.assign([TopicPartition(topic_name(settings, topic), n, 0) for n in range(partitions)])
    left = set(range(partitions))
    while left:
        message = consumer.poll(20)
        assert message is not None, topic
        if message.error():
            left.discard(message.partition())
        else:
            for line in message.value().split(b"\n"):
                yield message.partition(), json.loads(line)
    consumer.close()
