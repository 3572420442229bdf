"""What is measured: Kafka and Redis of our own, topics, and workers that come and go over the same state."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from redis import Redis as Client

from benchmarks.processes import cpu, memory
from benchmarks.subject import configured
from services.pipeline import STAGES
from services.runtime.cluster.addresses import LOOPBACK, free_ports
from services.runtime.cluster.kafka import QUICK, Kafka
from services.runtime.cluster.local import make_topics
from services.runtime.cluster.process import Process
from services.runtime.cluster.redis import Redis
from services.runtime.cluster.workers import Workers
from services.runtime.settings import Settings

NOWHERE = "http://127.0.0.1:9"  # no ClickHouse: it is copied to, and nothing waits for it


class Installation(NamedTuple):
    """The services that are up, and the settings that reach them."""

    settings: Settings
    folder: Path
    kafka: Kafka
    redis: Redis

    def crew(self, made: Mapping[str, Sequence[str]]) -> Workers:
        """Workers by name, each with what it does; not started yet."""
        told = {
            "RAPPORT_KAFKA": self.settings.kafka,
            "RAPPORT_REDIS": self.settings.redis,
            "RAPPORT_CLICKHOUSE": NOWHERE,
            "RAPPORT_PARTITIONS": str(self.settings.partitions),
            "RAPPORT_REPLICATION": "1",
            "RAPPORT_CONFIG": str(self.settings.config),
            "RAPPORT_PORT": str(self.settings.port),
        }
        return Workers(self.folder, made, told)

    def services(self) -> dict[str, int]:
        """Their processes."""
        return pids(self.kafka.processes + self.redis.processes)

    def asked_of_redis(self) -> dict[str, float]:
        """What Redis has been asked so far: commands, bytes in and out; and bytes that it holds now."""
        with Client.from_url(self.redis.url) as client:
            told = client.info()
        names = ("total_commands_processed", "total_net_input_bytes", "total_net_output_bytes", "used_memory_dataset")
        return {name: float(told[name]) for name in names}

    def on_disk(self) -> dict[str, int]:
        """Bytes that each topic has on Kafka's disk."""
        found: dict[str, int] = {}
        for log in (self.folder / "kafka-1" / "data").glob("*/*.log"):
            topic = log.parent.name.rpartition("-")[0]
            found[topic] = found.get(topic, 0) + log.stat().st_size
        return found


def pids(processes: Sequence[Process]) -> dict[str, int]:
    """Those of them that run."""
    return {process.name.removeprefix("worker-"): pid for process in processes if (pid := process.pid) is not None}


def resident(found: Mapping[str, int]) -> dict[str, int]:
    """Bytes in memory of each."""
    return {name: memory(pid) for name, pid in found.items()}


def spent(found: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds of each so far."""
    return {name: cpu(pid) for name, pid in found.items()}


def alike(count: int) -> dict[str, Sequence[str]]:
    """So many workers that do everything."""
    return {f"stages-{number}": STAGES for number in range(1, count + 1)}


def by_stage() -> dict[str, Sequence[str]]:
    """One worker for each stage."""
    return {stage: [stage] for stage in STAGES}


@contextmanager
def working(installation: Installation, made: Mapping[str, Sequence[str]]) -> Iterator[Workers]:
    """Workers that are ready; stopped at the end."""
    crew = installation.crew(made)
    try:
        crew.start()
        yield crew
    finally:
        crew.stop()


@contextmanager
def installed(below: Path, config: Path, partitions: int, quick: bool) -> Iterator[Installation]:
    """Everything on a new folder below this one, stopped and removed at the end; `quick`: Kafka starts quickly, and
    is slower afterwards."""
    below.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=below)).resolve()
    clients, memory_port, api = free_ports(3)
    kafka, redis = Kafka(folder, [clients], options=QUICK if quick else ()), Redis(folder, memory_port)
    settings = Settings(
        kafka=f"{LOOPBACK}:{clients}", redis=redis.url, clickhouse=NOWHERE, partitions=partitions, replication=1,
        config=configured(config, folder / "config"), port=api,
    )  # fmt: skip
    try:
        kafka.start()
        redis.start()
        make_topics(settings)
        yield Installation(settings, folder, kafka, redis)
    finally:
        redis.stop()
        kafka.stop()
        shutil.rmtree(folder, ignore_errors=True)
