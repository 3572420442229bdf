"""The two engines, driven over the same touchpoints, and everything that comes out of them, in one form."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas import fast
from schemas.fast import Touchpoint
from schemas.identifiers import profile_id
from schemas.topics import TOPICS
from services.configuration import Config
from services.errors import Retry
from services.pipeline import STAGES, processors
from services.runtime import frames
from services.runtime.clock import wall
from services.runtime.engine import Engine
from services.runtime.kafka import topics
from services.runtime.kafka.connection import topic_name
from services.runtime.kafka.partitions import partition_of
from services.runtime.redis import layout
from services.runtime.redis.connection import connect
from services.runtime.settings import Settings
from services.runtime.sqlite_state import StateFile
from services.runtime.workers.standing import behind, ends

NEWEST = {"profiles": "profile_id", "accounts": "profile_id", "membership": "identifier"}
WHOLE = ("audience-changes", "identity-changes", "actions", "causes", "duplicates", "evidence")
PLACES = {"offset", "index", "partition", "version"}  # they say how the log was cut, and nothing about people


class Worker:
    """`rapport worker NAME…` as a process."""

    def __init__(self, settings: Settings, log: Path, *names: str):
        self.log = log
        environment = {**os.environ, "RAPPORT_HEALTH_PORT": "0", **variables(settings)}
        command = [sys.executable, "-m", "services", "worker", *names]
        with log.open("ab") as out:
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)

    def stop(self) -> None:
        """SIGTERM, and it must end well."""
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.wait(40) == 0, self.log.read_text()[-4000:]

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(10)


def variables(settings: Settings) -> dict[str, str]:
    """The settings as a process finds them in its environment."""
    said = settings.model_dump(mode="json", exclude_defaults=True)
    secret = {name: getattr(settings, name) for name in said if name.endswith("_password")}
    said |= {name: value.get_secret_value() for name, value in secret.items()}
    return {
        f"RAPPORT_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in said.items()
    }


@contextmanager
def workers(settings: Settings, folder: Path, count: int, *names: str) -> Iterator[list[Worker]]:
    """Some workers of these stages, at work when this is entered."""
    started = [Worker(settings, folder / f"worker{n}.log", *(names or STAGES)) for n in range(count)]
    try:
        for one in started:
            wait_for(lambda one=one: "is at work" in one.log.read_text() or one.process.poll() is not None, 60)
            assert one.process.poll() is None, one.log.read_text()[-4000:]
        yield started
        for one in started:
            one.stop()
    finally:
        for one in started:
            if one.process.poll() is None:
                one.kill()


def wait_for(holds: Any, seconds: float, why: Any = lambda: "") -> None:
    """Until it holds; AssertionError when that takes too long, with what `why` says."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"it has not come to that in time {why()}"
        time.sleep(0.05)


def make_topics(settings: Settings) -> None:
    """Topics of our own, and an empty state."""
    from services.runtime.kafka import topic_plan

    client = topics.administrator(settings)
    topic_plan.apply(client, settings, topic_plan.plan(client, settings))
    redis = connect(settings)
    redis.flushdb()
    redis.close()


class Log:
    """Writes touchpoints as collectors do: one frame for each partition."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._producer = Producer({"bootstrap.servers": settings.kafka, "enable.idempotence": True, "linger.ms": 0})

    def write(self, touchpoints: Iterable[Touchpoint], cut: int = 1_000) -> None:
        by_partition: dict[int, list[bytes]] = {}
        for one in touchpoints:
            partition = partition_of(profile_id(one.workspace, one.anchor), self._settings.partitions)
            by_partition.setdefault(partition, []).append(fast.dumps(one))
        name = topic_name(self._settings, "touchpoints")
        for partition, lines in by_partition.items():
            for at in range(0, len(lines), cut):
                self._producer.produce(name, b"\n".join(lines[at : at + cut]), partition=partition)
        assert self._producer.flush(60) == 0  # also when a test has killed the broker


def until_quiet(settings: Settings, redis: Any, seconds: float = 60) -> None:
    """Until every stage has handled everything, and nothing new has come meanwhile."""
    before: Any = None

    def quiet() -> bool:
        nonlocal before
        try:
            waiting = behind(settings, redis)
            here = ends(settings, ["evidence", "membership", "cells", "contributions", "causes"])
        except Retry:
            return False
        still, before = not any(waiting.values()) and here == before, here
        return still

    wait_for(quiet, seconds)


def nothing_due(settings: Settings, redis: Any, until: int) -> bool:
    """Whether no wake-up of any stage is left that is due by then (epoch ms)."""
    keys = [layout.keys(layout.PREFIX, stage, n) for stage in ("assemble", "rules") for n in range(settings.partitions)]
    return not any(redis.zcount(key.wakeups, "-inf", until) for key in keys)


def published(settings: Settings, topic: str) -> list[dict[str, Any]]:
    """Every message of a topic, as readers of what is committed see it."""
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka, "group.id": "tests", "isolation.level": "read_committed",
         "enable.auto.commit": False, "enable.partition.eof": True}
    )  # fmt: skip
    name = topic_name(settings, topic)
    parts = [TopicPartition(name, n, 0) for n in range(topics.partitions(topic, settings))]
    consumer.assign(parts)
    found: list[dict[str, Any]] = []
    left = {part.partition for part in parts}
    while left:
        message = consumer.poll(20)
        assert message is not None, topic
        if message.error():
            left.discard(message.partition())
        else:
            found += [json.loads(line) for line in (message.value() or b"").split(b"\n") if line]
    consumer.close()
    return found


def answers(read: Any, told: Sequence[str]) -> dict[str, list[str]]:
    """Everything that an engine has told, in a form that may be compared: of a topic that keeps the newest of each key
    the newest, of another all; without what says how the log was cut. `read(topic)` gives its messages."""
    found = {}
    for topic in told:
        if topic not in NEWEST:
            found[topic] = sorted(set(map(_plain, read(topic))))  # what is published again changes nothing
            continue
        key = NEWEST[topic]
        newest: dict[str, dict[str, Any]] = {}
        for one in read(topic):
            if one[key] not in newest or one.get("version", 0) >= newest[one[key]].get("version", 0):
                newest[one[key]] = one
        found[topic] = sorted(map(_plain, newest.values()))
    return found


def _plain(message: dict[str, Any]) -> str:
    kept = {name: value for name, value in message.items() if name not in PLACES}
    if isinstance(kept.get("profile"), dict):
        kept["profile"] = {name: value for name, value in kept["profile"].items() if name not in PLACES}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False)


class Embedded:
    """The embedded engine over a log file in `folder`."""

    def __init__(self, folder: Path, config: Config, live_at: dict[tuple[str, str], int], dedup_days: int):
        self._log = frames.open_file(folder / "log.db")
        self._file = StateFile(folder / "state.db", STAGES)
        stages = processors(config, 0, live_at, dedup_days)
        read = lambda start, limit: frames.read(self._log, "touchpoints", start, limit)  # noqa: E731
        one_frame = 1  # a turn: of what comes within a second, a log-in waits for its answer and is overtaken
        self._engine = Engine(self._file, stages, read, wall, one_frame, 60_000)

    async def run(self, rounds: Sequence[Sequence[Touchpoint]]) -> None:
        """Everything, frame by frame, and then what time does up to now."""
        for number, some in enumerate(rounds):
            at = max(one.received_at for one in some)
            frames.append(self._log, "touchpoints", number, at, [fast.dumps(one) for one in some])
        await self._engine.load()
        while await self._engine.turn():
            pass

    def published(self, topic: str) -> list[dict[str, Any]]:
        """Every message of a topic that others read."""
        found = frames.read(self._file.db, topic, 0, 10**9)
        return [json.loads(line) for frame in found for line in frame.body.split(b"\n")]

    def told(self) -> list[str]:
        """The topics that are written to the file."""
        return [name for name in (*NEWEST, *WHOLE) if TOPICS[name].public or "warehouse" in TOPICS[name].consumers]
