"""What cluster is wanted, and the settings that come of it."""

import secrets
from typing import NamedTuple

from pydantic import SecretStr

from services.runtime.cluster.addresses import LOOPBACK, free_ports, require_free
from services.runtime.settings import Settings


class Wish(NamedTuple):
    """What is wanted beside what the settings say. A port 0 takes any that is free."""

    brokers: int = 1
    kafka_port: int = 9092  # of the first broker; the next ones follow
    redis_port: int = 6379
    workers: int = 1  # processes that run the stages
    services_only: bool = False  # no workers of ours at all


class Ports(NamedTuple):
    """Where everything listens on this machine."""

    kafka: list[int]
    redis: int
    clickhouse: int
    api: int


def ports(wish: Wish, given: Settings) -> Ports:
    """Named ones as they are, others chosen. Raises RapportError when one that was named is taken."""
    first = wish.kafka_port
    kafka = list(range(first, first + wish.brokers)) if first else free_ports(wish.brokers)
    named = [
        *(("--kafka-port", port) for port in kafka if first),
        ("--redis-port", wish.redis_port),
        ("--clickhouse-port", given.clickhouse_port),
        ("--port", 0 if wish.services_only else given.port),
    ]
    for option, port in named:
        if port:
            require_free(port, option)
    redis, clickhouse, api = free_ports(3, besides=kafka)
    return Ports(kafka, wish.redis_port or redis, given.clickhouse_port or clickhouse, given.port or api)


def settings(wish: Wish, given: Settings, chosen: Ports) -> Settings:
    """What workers are told. Where no password was set for ClickHouse's writer, it gets one for this run alone, which
    is in memory only: our own workers know it."""
    return given.model_copy(
        update={
            "config": given.config.resolve(),
            "kafka": ",".join(f"{LOOPBACK}:{port}" for port in chosen.kafka),
            "kafka_security": "plaintext",
            "redis": f"redis://{LOOPBACK}:{chosen.redis}/0",
            "clickhouse": f"http://{LOOPBACK}:{chosen.clickhouse}",
            "port": chosen.api,
            "replication": len(chosen.kafka),
            "writer_password": given.writer_password or (None if wish.services_only else _password()),
        }
    )


def _password() -> SecretStr:
    return SecretStr(secrets.token_urlsafe(24))


def environment(made: Settings) -> dict[str, str]:
    """The same as variables, without passwords: what a program needs to reach this cluster."""
    names = ("kafka", "kafka_security", "redis", "clickhouse", "partitions", "replication")
    return {f"RAPPORT_{name.upper()}": str(getattr(made, name)) for name in names}
