"""A cluster on this machine: real services and Rapport's workers, in one folder, under one parent."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from services.configuration import load_config
from services.errors import RapportError
from services.runtime.cluster import record, wish
from services.runtime.cluster.clickhouse import ClickHouse
from services.runtime.cluster.jars import jars
from services.runtime.cluster.kafka import Kafka
from services.runtime.cluster.process import Process
from services.runtime.cluster.redis import Redis
from services.runtime.cluster.wish import Ports, Wish
from services.runtime.cluster.workers import workers
from services.runtime.files import cache_folder
from services.runtime.kafka import topic_plan, topics
from services.runtime.settings import Settings

LOOK = 0.3  # seconds between two looks at the processes

Tell = Callable[[str], None]  # hears what is being done, in a few words


class Member(Protocol):
    """What can be started: one process or several."""

    name: str

    @property
    def processes(self) -> list[Process]:
        """Those that must not end."""

    def start(self) -> None:
        """Start it and wait until it is ready."""

    def stop(self) -> None:
        """Stop it cleanly."""


class LocalCluster:
    """Start it, watch it, stop it. Raises RapportError when the folder is taken or something does not start."""

    def __init__(self, folder: Path, settings: Settings, wanted: Wish, tell: Tell):
        self._folder, self._given, self._wish, self._tell = folder.resolve(), settings, wanted, tell
        self._members: list[Member] = []
        self._held = ExitStack()

    def start(self, stopped: threading.Event) -> Settings:
        """Everything is up and ready when this returns, unless `stopped` is set meanwhile. Returns the settings that
        reach it."""
        load_config(self._given.config)  # what is wrong is said here, once, before anything runs
        self._held.enter_context(record.take(self._folder))
        self._tidy()
        ports = wish.ports(self._wish, self._given)
        settings = wish.settings(self._wish, self._given, ports)
        record.write(self._folder, settings, self._wish.services_only)
        self._tell("looking for Kafka's jars; the first time they are fetched")
        jars(cache_folder())
        self._begin(self._services(ports, settings), stopped)
        if not self._wish.services_only and not stopped.is_set():
            self._tell("making the topics")
            make_topics(settings)
            self._begin(workers(self._folder, self._wish.workers, settings), stopped)
        return settings

    def watch(self, stopped: threading.Event) -> Process | None:
        """Wait until `stopped` is set or a process ends by itself; returns that process."""
        while not stopped.wait(LOOK):
            for member in self._members:
                for process in member.processes:
                    if process.pid is None:
                        return process
        return None

    def stop(self) -> None:
        """Stop everything, last started first, and give the folder back."""
        for member in reversed(self._members):
            self._tell(f"stopping {member.name}")
            member.stop()
        self._members.clear()
        self._held.close()

    def _tidy(self) -> None:
        for process in record.left_running(self._folder):
            self._tell(f"stopping {process.name}, left by a cluster that was killed")
            process.stop()

    def _services(self, ports: Ports, settings: Settings) -> Sequence[Member]:
        redis, writer = settings.redis_password, settings.writer_password
        return [
            Kafka(self._folder, ports.kafka),
            Redis(self._folder, ports.redis, redis.get_secret_value() if redis else ""),
            ClickHouse(self._folder, ports.clickhouse, writer.get_secret_value() if writer else ""),
        ]

    def _begin(self, members: Sequence[Member], stopped: threading.Event) -> None:
        for member in members:
            if not stopped.is_set():
                self._tell(f"starting {member.name}")
                self._members.append(member)
                member.start()


def make_topics(settings: Settings) -> None:
    """As `rapport topics apply` does. Raises RapportError when what is there cannot be made what is wanted."""
    client = topics.administrator(settings)
    steps = topic_plan.plan(client, settings)
    if refused := [step.told for step in steps if step.verdict == "refused"]:
        raise RapportError("; ".join(refused))
    topic_plan.apply(client, settings, steps)
