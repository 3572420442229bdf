"""Real Kafka, Redis and ClickHouse for tests: fixtures for any folder of tests (tests/conftest.py makes them known).

`kafka` and `redis_server` are shared by the whole run, also between pytest-xdist's processes: use a prefix of your own
(Settings.kafka_prefix, a prefix of Redis keys). `clickhouse_server` is one module's. They are what the environment
names (RAPPORT_TEST_KAFKA, host:port; RAPPORT_TEST_REDIS, a URL; RAPPORT_TEST_CLICKHOUSE, a URL, whose writer's
password is in RAPPORT_WRITER_PASSWORD), else containers where Docker answers, else processes of this machine. Who kills
brokers, or needs the topics by their own names, takes `own_kafka` and `own_redis`: processes that only one module uses.
Where nothing can be had, a test skips on a laptop and fails in CI.
"""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from services.errors import RapportError
from services.runtime.cluster.addresses import free_ports
from services.runtime.cluster.clickhouse import ClickHouse
from services.runtime.cluster.kafka import QUICK, Kafka
from services.runtime.cluster.redis import Redis
from tests.cluster import containers
from tests.cluster.sharing import common_folder, shared


class Address(NamedTuple):
    """A service of which we know no more than where it is."""

    address: str

    @property
    def url(self) -> str:
        """The same; Redis has a URL."""
        return self.address


class Warehouse(NamedTuple):
    """A ClickHouse that can be written to."""

    url: str
    writer_password: str


def small(folder: Path, ports: Sequence[int]) -> Kafka:
    """A Kafka that starts quickly and stays small; not started yet."""
    return Kafka(folder, ports, heap=256, options=QUICK)


@contextmanager
def running_kafka(folder: Path, brokers: int = 1) -> Iterator[Kafka]:
    """A Kafka of its own; each of its `brokers` can be killed and restarted (`process.kill()`, `restart()`)."""
    kafka = small(folder, free_ports(brokers))
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.stop()


@contextmanager
def running_redis(folder: Path) -> Iterator[Redis]:
    """A Redis of its own: `process.kill()`, `start()`."""
    redis = Redis(folder, *free_ports(1))
    try:
        redis.start()
        yield redis
    finally:
        redis.stop()


@contextmanager
def otherwise(what: str) -> Iterator[None]:
    """What cannot be had lets tests skip on a laptop and fail in CI."""
    try:
        yield
    except RapportError as error:
        reason = f"there is no {what} to test with: {error}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka | Address]:
    """The run's Kafka: `kafka.address`."""
    folder = common_folder(tmp_path_factory) / "shared-kafka"
    if address := os.environ.get("RAPPORT_TEST_KAFKA"):
        yield Address(address)
    elif containers.available():
        with containers.kafka() as address:
            yield Address(address)
    else:
        with otherwise("Kafka"), shared(folder, lambda port: small(folder, [port])) as ours:
            yield ours


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis | Address]:
    """The run's Redis: `redis_server.url`."""
    folder = common_folder(tmp_path_factory) / "shared-redis"
    if url := os.environ.get("RAPPORT_TEST_REDIS"):
        yield Address(url)
    elif containers.available():
        with containers.redis() as url:
            yield Address(url)
    else:
        with otherwise("Redis"), shared(folder, lambda port: Redis(folder, port)) as ours:
            yield ours


@pytest.fixture(scope="module")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """ClickHouse's HTTP interface, and the password of its user `writer`."""
    password = secrets.token_urlsafe(16)
    if url := os.environ.get("RAPPORT_TEST_CLICKHOUSE"):
        yield Warehouse(url, os.environ.get("RAPPORT_WRITER_PASSWORD", ""))
    elif containers.available():
        with containers.clickhouse(password) as url:
            yield Warehouse(url, password)
    else:
        ours = ClickHouse(tmp_path_factory.mktemp("clickhouse"), free_ports(1)[0], password)
        try:
            ours.start()
            yield Warehouse(ours.url, password)
        finally:
            ours.stop()


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One broker for this module alone."""
    with otherwise("Kafka"), running_kafka(tmp_path_factory.mktemp("kafka")) as ours:
        yield ours


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis for this module alone."""
    with otherwise("Redis"), running_redis(tmp_path_factory.mktemp("redis")) as ours:
        yield ours
