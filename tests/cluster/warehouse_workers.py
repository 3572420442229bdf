"""Warehouse workers on real Kafka with topics of their own, writing to a ClickHouse, and what stages would publish."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from schemas.topics import TOPICS
from services.runtime.clickhouse_reader import connect_to
from services.runtime.clickhouse_writer import connect
from services.runtime.kafka import topic_plan
from services.runtime.kafka.connection import client_settings, topic_name
from services.runtime.kafka.topics import administrator
from services.runtime.settings import Settings
from tests.warehouse.warehouse_process import ROOT

_PROGRAM = """
import os, sys
from clickhouse_connect.driver.httpclient import HttpClient
from services.errors import RapportError
from services.runtime import logs
from services.runtime.kafka import sharing
from services.runtime.settings import Settings
from services.runtime.warehouse import writer
from services.runtime.warehouse.watermark_table import WatermarkTable
from services.runtime.workers.warehouse import serve

writer.IDLE = writer.PAUSE = 0.05  # tests wait for every line
sharing.SESSION = 6_000  # and for who was killed; Kafka takes no less

def dies(owner, name, after):
    real = getattr(owner, name)
    def dying(*given, **named):
        if after:
            real(*given, **named)
        os.kill(os.getpid(), 9)
    setattr(owner, name, dying)

step = sys.argv[1]
if step == "before the insert":
    dies(HttpClient, "insert_arrow", False)
elif step == "after the insert":
    dies(HttpClient, "insert_arrow", True)
elif step == "before the watermark":
    dies(WatermarkTable, "advance", False)
elif step == "after the watermark":
    dies(WatermarkTable, "advance", True)
logs.configure("warehouse")
try:
    serve(Settings(), lambda port: print(port, flush=True))
except RapportError as error:
    print(error, file=sys.stderr)
    raise SystemExit(1)
"""


class Worker:
    """A process; `step` is where it kills itself, if anywhere."""

    def __init__(self, environment: dict[str, str], step: str = ""):
        command = [sys.executable, "-c", _PROGRAM, step]
        self.child = subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/"
        )
        assert self.child.stdout
        self.port = int(self.child.stdout.readline() or 0)

    def last_words(self, within: float = 30.0) -> str:
        """Wait for its end; what it said on standard error."""
        return self.child.communicate(timeout=within)[1]

    def kill(self) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.child.kill()
            self.child.communicate()

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        self.child.send_signal(signal.SIGTERM)
        self.child.communicate(timeout=30)
        return self.child.returncode


class Workers:
    """Topics with a prefix of their own and 3 partitions, and workers that copy them into the ClickHouse at `url`."""

    def __init__(self, kafka: str, url: str, password: str):
        self._running = list[Worker]()
        self.settings = Settings(
            kafka=kafka, kafka_prefix=f"w{uuid.uuid4().hex[:8]}-", partitions=3, replication=1, clickhouse=url,
            writer_password=SecretStr(password),
        )  # fmt: skip
        self.writer = connect(self.settings)
        self.writer.command("DROP TABLE IF EXISTS warehouse_watermarks")  # of the test before, and its topics
        self.writer.command("DROP TABLE IF EXISTS schema_migrations")
        self._reader = connect_to(self.settings, url)
        self.administrator: AdminClient = administrator(self.settings)
        self.make_topics()
        made = client_settings(self.settings, "test")
        self._frames = Producer(made | {"enable.idempotence": True, "linger.ms": 0})
        self._public = Producer(made | {"transactional.id": self.settings.kafka_prefix + "test"})
        self._public.init_transactions(30)

    def make_topics(self) -> None:
        topic_plan.apply(self.administrator, self.settings, topic_plan.plan(self.administrator, self.settings))

    def name(self, topic: str) -> str:
        return topic_name(self.settings, topic)

    def rows(self, sql: str) -> list[list[Any]]:
        """What a reader sees."""
        return [list(row) for row in self._reader.query(sql).result_rows]

    def publish(self, topic: str, partition: int, lines: Iterable[bytes]) -> None:
        """One frame; of a public topic a transaction of one message a line."""
        if TOPICS[topic].frames:
            self._frames.produce(self.name(topic), b"\n".join(lines), partition=partition)
            assert self._frames.flush(30) == 0
            return
        self._public.begin_transaction()
        for line in lines:
            self._public.produce(self.name(topic), line, key=b"k", partition=partition)
        self._public.commit_transaction(30)

    def worker(self, step: str = "") -> Worker:
        given, secret = self.settings, self.settings.writer_password
        assert secret
        environment = {
            "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "RAPPORT_KAFKA": given.kafka,
            "RAPPORT_KAFKA_PREFIX": given.kafka_prefix, "RAPPORT_PARTITIONS": "3", "RAPPORT_REPLICATION": "1",
            "RAPPORT_CLICKHOUSE": given.clickhouse, "RAPPORT_WRITER_PASSWORD": secret.get_secret_value(),
            "RAPPORT_HEALTH_PORT": "0",
        }  # fmt: skip
        self._running.append(Worker(environment, step))
        return self._running[-1]

    def shared(self) -> list[int]:
        """How many partitions each member of the group has."""
        group = self.name("rapport-warehouse")
        found = self.administrator.describe_consumer_groups([group])[group].result()
        return sorted(len(member.assignment.topic_partitions) for member in found.members)

    def close(self) -> None:
        for one in self._running:
            one.kill()


def until(holds: Callable[[], Any], within: float = 40.0) -> None:
    """Wait until it does."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.1)
