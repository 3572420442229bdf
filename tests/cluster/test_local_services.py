"""Real Kafka and Redis as processes of this machine: started, found again, killed, started on the same data."""

import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import redis
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from services.errors import RapportError
from services.runtime.cluster import jars as fetching
from services.runtime.cluster import programs
from services.runtime.cluster.addresses import free_ports, listens
from services.runtime.cluster.kafka import Kafka, cluster_id
from services.runtime.cluster.process import Process, born
from services.runtime.cluster.redis import Redis
from tests.cluster.running import Address, Warehouse, running_redis, small


def produce(address: str, topic: str, value: bytes) -> None:
    failed: list[object] = []
    producer = Producer({"bootstrap.servers": address, "acks": "all", "log_level": 0})
    producer.produce(topic, value, on_delivery=lambda error, _: failed.append(error) if error else None)
    assert producer.flush(30) == 0 and not failed


def consume(address: str, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "readers", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        return [message.value() for message in consumer.consume(count, timeout=30)]
    finally:
        consumer.close()


def test_a_broker_that_was_killed_comes_back_with_what_was_acknowledged(own_kafka: Kafka) -> None:
    (broker,) = own_kafka.brokers
    admin = AdminClient({"bootstrap.servers": own_kafka.address, "log_level": 0})
    admin.create_topics([NewTopic("orders", 1, 1)])["orders"].result(30)
    produce(own_kafka.address, "orders", b"before")
    broker.process.kill()
    assert broker.process.pid is None and not listens(broker.port)
    broker.restart()
    produce(own_kafka.address, "orders", b"after")
    assert consume(own_kafka.address, "orders", 2) == [b"before", b"after"]


def test_no_clusters_id_looks_like_an_option() -> None:
    for first in range(256):
        made = cluster_id(UUID(bytes=bytes([first]) * 16))
        assert made[0] != "-" and len(made) == 22


def test_a_kafka_keeps_the_number_of_brokers_that_it_began_with(own_kafka: Kafka) -> None:
    folder = own_kafka.brokers[0].process.folder
    with pytest.raises(RapportError, match="holds a Kafka of 1 broker"):
        small(folder, free_ports(2)).start()


def test_redis_comes_back_with_its_data_and_asks_for_its_password(tmp_path: Path) -> None:
    password = 'with "quotes" and \\ more'
    server = Redis(tmp_path, *free_ports(1), password=password)
    try:
        server.start()
        client = redis.Redis.from_url(server.url, password=password)
        client.set("name", "Ann")
        server.stop()
        server.start()
        assert client.get("name") == b"Ann"
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(server.url).get("name")
        assert password not in Path(f"/proc/{server.process.pid}/cmdline").read_text()
    finally:
        server.stop()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]


def test_clickhouse_takes_what_its_writer_says_and_nobody_else(clickhouse_server: Warehouse) -> None:
    def ask(sql: str, user: str, password: str = "") -> httpx.Response:
        headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}
        return httpx.post(clickhouse_server.url, content=sql, headers=headers, trust_env=False)

    assert ask("CREATE DATABASE IF NOT EXISTS rapport", "writer", clickhouse_server.writer_password).status_code == 200
    assert ask("CREATE DATABASE IF NOT EXISTS rapport", "writer", "guessed").status_code in (401, 403, 516)
    assert ask("SELECT 1", "reader").text == "1\n"


def test_the_run_shares_one_kafka_and_one_redis(kafka: Kafka | Address, redis_server: Redis | Address) -> None:
    assert AdminClient({"bootstrap.servers": kafka.address}).list_topics(timeout=30).brokers
    assert redis.Redis.from_url(redis_server.url).ping()


def test_who_knows_the_folder_can_stop_what_another_started(tmp_path: Path) -> None:
    with running_redis(tmp_path) as server:
        same = Redis(tmp_path, server.port)
        assert same.process.pid == server.process.pid
        with pytest.raises(RapportError, match=rf"runs already in .* \(process {server.process.pid}\)"):
            same.start()
        same.stop()
        assert server.process.pid is None


def test_a_pid_that_belongs_to_somebody_else_by_now_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        ours = born(stranger.pid)
        assert ours
        (tmp_path / "redis.pid").write_text(f"{stranger.pid} {ours.ticks - 1}\n")
        process = Process(tmp_path, "redis")
        assert process.pid is None
        process.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
    assert born(stranger.pid) is None


def test_what_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    process = Process(tmp_path, "broken")
    process.start([sys.executable, "-c", "raise SystemExit('no such luck')"])
    with pytest.raises(RapportError, match=r"(?s)broken ended before it was ready; its log .*no such luck"):
        process.wait_until(lambda: False, 30)


def test_what_does_not_stop_is_killed(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    process = Process(tmp_path, "deaf")
    process.start([sys.executable, "-c", deaf])
    process.wait_until(lambda: b"deaf" in process.log.read_bytes(), 30)
    before = time.monotonic()
    process.stop(within=0.3)
    assert process.pid is None and time.monotonic() - before < 10


def test_what_is_lacking_is_said_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(programs, "find_spec", lambda _: None)
    for program, remedy in (
        (programs.java, "default-jre-headless"),
        (programs.maven, "apt-get install maven"),
        (programs.redis_server, "apt-get install redis-server"),
    ):
        with pytest.raises(RapportError, match=remedy):
            program()


def test_jars_that_cannot_be_fetched_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "mvn"
    broken.write_text("#!/bin/sh\necho 'Could not resolve host'\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(fetching, "maven", lambda: broken)
    with pytest.raises(RapportError, match=r"could not fetch Kafka's jars.*\nCould not resolve host"):
        fetching.jars(tmp_path / "cache")
    assert os.listdir(tmp_path / "cache") == []
