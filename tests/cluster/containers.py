"""Kafka, Redis and ClickHouse in containers, where Docker answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import docker
from docker.errors import DockerException
from testcontainers.community.kafka import KafkaContainer
from testcontainers.community.redis import RedisContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

KAFKA = "confluentinc/cp-kafka:7.9.0"  # Kafka 3.9
REDIS = "redis:7.4.2-bookworm"
CLICKHOUSE = "clickhouse/clickhouse-server:26.9"
USERS = Path(__file__).parents[2] / "deploy" / "clickhouse-server" / "users.d" / "rapport.xml"
_ONE_BROKER = {
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
}


@cache
def available() -> bool:
    """Whether a Docker daemon answers; asked once."""
    try:
        return bool(docker.from_env(timeout=3).ping())
    except DockerException:
        return False


@contextmanager
def kafka() -> Iterator[str]:
    """One broker; its address."""
    container = KafkaContainer(KAFKA).with_kraft()
    for name, value in _ONE_BROKER.items():
        container.with_env(name, value)
    with container:
        yield container.get_bootstrap_server()


@contextmanager
def redis() -> Iterator[str]:
    """A Redis; its URL."""
    with RedisContainer(REDIS) as container:
        yield f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(container.port)}/0"


@contextmanager
def clickhouse(writer_password: str) -> Iterator[str]:
    """A ClickHouse server with our users; its URL. The reader has no password."""
    container = DockerContainer(CLICKHOUSE).with_exposed_ports(8123)
    container.with_volume_mapping(USERS, "/etc/clickhouse-server/users.d/rapport.xml")
    container.with_env("RAPPORT_WRITER_PASSWORD", writer_password).with_env("RAPPORT_READER_PASSWORD", "")
    container.waiting_for(HttpWaitStrategy(8123, "/ping"))
    with container:
        yield f"http://{container.get_container_host_ip()}:{container.get_exposed_port(8123)}"
