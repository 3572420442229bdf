"""Kafka and Redis in containers, where Docker answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import docker
from docker.errors import DockerException
from testcontainers.community.kafka import KafkaContainer
from testcontainers.community.redis import RedisContainer

KAFKA = "confluentinc/cp-kafka:7.9.0"  # Kafka 3.9
REDIS = "redis:7.4"
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
