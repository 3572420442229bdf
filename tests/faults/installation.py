"""An installation of its own for a test: topics under a prefix, its Redis, its configuration, and its workers."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException

from services.configuration import load_config
from services.errors import Retry
from services.pipeline import STAGES
from services.runtime.clock import wall
from services.runtime.cluster.redis import Redis
from services.runtime.redis.about import About
from services.runtime.redis.connection import connect
from services.runtime.settings import Settings
from services.runtime.workers.standing import behind
from tests.cluster.engines import Log, Worker, make_topics, nothing_due, until_quiet, variables, wait_for
from tests.cluster.running import running_redis
from tests.faults import audit
from tests.faults.history import DUE, Feed, configured

PARTITIONS = 4
QUIET = 90  # seconds until everything that is on the log must have been handled
UP = 60  # seconds until a worker must be at work


class Installation:
    """What a test needs of it. Made by `installed`."""

    def __init__(self, folder: Path, kafka: str, redis: Redis, replication: int, **more: Any):
        self.folder, self.redis_process = folder, redis
        self.settings = Settings(
            kafka=kafka, redis=redis.url, kafka_prefix=f"faults-{uuid.uuid4().hex[:8]}-", partitions=PARTITIONS,
            replication=replication, config=configured(folder), data=folder / "data", dedup_days=7,
            **more,
        )  # fmt: skip
        make_topics(self.settings)
        self.redis: Any = connect(self.settings)
        self.log = Log(self.settings)
        self._audits = 0
        self.started: list[Worker] = []
        self.others: list[subprocess.Popen[bytes]] = []

    def start(self, *names: str, count: int = 1) -> list[Worker]:
        """Start some workers, each of all stages or of these; they are at work when this returns."""
        begun = [self.begin(*names) for _ in range(count)]
        for one in begun:
            until_at_work(one)
        return begun

    def begin(self, *names: str) -> Worker:
        """Start a worker, and do not wait for it."""
        log = self.folder / f"worker{len(self.started)}.log"
        self.started.append(Worker(self.settings, log, *(names or STAGES)))
        return self.started[-1]

    def dying(self, stage: str) -> "subprocess.Popen[bytes]":
        """Start a worker of a stage that dies at one step after the other."""
        environment = {**os.environ, "RAPPORT_HEALTH_PORT": "0", **variables(self.settings)}
        with (self.folder / f"dying-{stage}.log").open("ab") as out:
            command = [sys.executable, "-m", "tests.faults.dying_worker", stage]
            process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)
        self.others.append(process)
        return process

    def feed(self, people: int = 60, rounds: int = 40, every: float = 0.1, seed: int = 1) -> Feed:
        """Touchpoints, one round after the other."""
        return Feed(self.log, self.settings.config, people, rounds, every, seed)

    def settle(self, seconds: float = QUIET) -> None:
        """Until everything has been handled that is on the log, and that time makes due."""
        self._quiet(seconds)
        due = wall() + DUE
        wait_for(lambda: wall() > due and nothing_due(self.settings, self.redis, due), seconds)
        self._quiet(seconds)

    def _quiet(self, seconds: float) -> None:
        """A Kafka that has been killed, or has no time, may not be asked yet."""
        until = time.monotonic() + seconds
        while True:
            try:
                return until_quiet(self.settings, self.redis, until - time.monotonic())
            except (KafkaException, Retry):
                time.sleep(1)
            except AssertionError:
                raise AssertionError(f"not handled in time: {behind(self.settings, self.redis)}") from None

    def audit(self, live: int | None = None, replayed: bool = False) -> audit.Told:
        """Nothing is lost, nothing is there twice, and all is as embedded. `live` is when the rules went live (epoch
        ms), else it is what the workers have agreed on; `replayed` whether Redis has forgotten something."""
        rules = load_config(self.settings.config).rules
        prints = {(rule.workspace, rule.name): rule.fingerprint() for rule in rules}
        agreed = About(self.redis).go_live(prints, wall()) if live is None else dict.fromkeys(prints, live)
        self._audits += 1
        folder = self.folder / f"audit{self._audits}"
        folder.mkdir()
        return audit.audit(self.settings, folder, agreed, replayed)

    def rejected(self) -> list[dict[str, Any]]:
        """What is on the topic `rejected`."""
        return audit.messages(audit.on_topic(self.settings, "rejected"))


def until_at_work(worker: Worker) -> None:
    """Until it says so. AssertionError with its log when it ends before."""
    wait_for(lambda: "is at work" in worker.log.read_text() or worker.process.poll() is not None, UP)
    assert worker.process.poll() is None, worker.log.read_text()[-4000:]


@contextmanager
def installed(folder: Path, kafka: str, replication: int = 1, **more: Any) -> Iterator[Installation]:
    """An installation without workers, with `more` settings. What was started is stopped at the end, and must end well
    if it still runs."""
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis(folder / "redis-of-its-own"))
        ours = Installation(folder, kafka, redis, replication, **more)
        stack.callback(lambda: ends([*(worker.process for worker in ours.started), *ours.others]))
        yield ours
        for worker in ours.started:
            if worker.process.poll() is None:
                worker.stop()


def ends(some: "Sequence[subprocess.Popen[bytes]]") -> None:
    """Kill those that run, with what they started."""
    for process in some:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
