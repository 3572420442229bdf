"""`rapport worker STAGE…`: one process that works on partitions of one or several stages, as many as there are of it.

Workers of a stage share its partitions. What they have in common lies in Redis: when each rule went live, and since
when the definitions are in force.
"""

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
import uvloop

from schemas.topics import TOPICS
from services.automation.rules import Rules
from services.configuration import Config, load_config
from services.errors import Retry
from services.pipeline import processors
from services.processor import Processor
from services.runtime.clock import wall
from services.runtime.kafka import topics
from services.runtime.kafka.producer import FrameProducer
from services.runtime.kafka.publisher import KafkaPublisher
from services.runtime.redis import heartbeat
from services.runtime.redis.about import About, fingerprint
from services.runtime.redis.connection import connect, connect_async
from services.runtime.redis.state import RedisState
from services.runtime.settings import Settings
from services.runtime.workers.accounts import AccountsTable, RulesState
from services.runtime.workers.engine import Means, Stage
from services.runtime.workers.health import answering

EVERY = 60.0  # seconds between two looks whether all workers have the same configuration
ENDING = 20.0  # seconds that the other stages get to end when one has

_log = structlog.get_logger()


def serve(settings: Settings, stages: Sequence[str], ready: Callable[[Any], None]) -> None:
    """Work until SIGTERM. Says its health port when it is ready. Raises RapportError when it cannot start, or when log
    and state do not belong together."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Worker(settings, stages).run(ready))


class _Worker:
    """The stages of this process, with what they share with those of others."""

    def __init__(self, settings: Settings, names: Sequence[str]):
        topics.check(settings)
        self._administrator = topics.administrator(settings)
        self._settings, self._names, config = settings, names, load_config(settings.config)
        self._about, self._fingerprint = About(connect(settings)), fingerprint(config)
        made = _agreed(self._about, settings, config)
        self._processors = [stage for stage in made if stage.name in names]
        self._stages: list[Stage] = []
        asked = any(isinstance(stage, Rules) and stage.asks_accounts for stage in self._processors)
        self._accounts = AccountsTable(settings, self._forget) if asked else None

    async def run(self, ready: Callable[[Any], None]) -> None:
        settings = self._settings
        self._redis, self._frames = connect_async(settings), FrameProducer(settings, "-".join(self._names))
        self._stages = [self._stage(processor) for processor in self._processors]
        for one in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(one, self._stop)
        watching = asyncio.create_task(self._watch())
        try:
            if self._accounts is not None:
                await self._accounts.load()
            async with answering(settings.host, settings.health_port, self._reasons) as port:
                ready(port)
                await self._work()
        finally:
            watching.cancel()
            if self._accounts is not None:
                self._accounts.close()
            await self._frames.close()
            await self._redis.aclose()

    def _stage(self, processor: Processor) -> Stage:
        settings, name = self._settings, processor.name
        inputs = [topic for topic in processor.inputs if TOPICS[topic].frames]

        def state(partition: int) -> RedisState:
            if self._accounts is not None and name == Rules.name:
                return RulesState(self._accounts, self._redis, name, partition, processor.record)
            return RedisState(self._redis, name, partition, processor.record)

        means = Means(
            state=state,
            publisher=lambda partition: KafkaPublisher(settings, self._frames, name, partition),
            lost=partial(heartbeat.lost, self._redis),
            slowest=lambda: heartbeat.slowest(self._redis, "fold", settings.partitions),
            clock=wall,
            lives=partial(topics.lives, self._administrator, settings, inputs),
        )
        return Stage(processor, topics.incarnations(inputs, settings), means, settings)

    async def _watch(self) -> None:
        """Say so when workers with another configuration are at work, too."""
        same = True
        while True:
            await asyncio.sleep(EVERY)
            with suppress(Retry):
                before, same = same, await asyncio.to_thread(self._about.newest, self._fingerprint)
                if before and not same:
                    _log.warning("a worker that started later has another configuration: give all of them the same")

    def _forget(self, accounts: Sequence[str]) -> None:
        for stage in self._stages:
            if stage.name == Rules.name:
                stage.forget(accounts)

    async def _work(self) -> None:
        """Until the stages are stopped, or one of them ends: then all do. Raises what ended it."""
        running = [asyncio.create_task(stage.run(), name=stage.name) for stage in self._stages]
        any_of = running if self._accounts is None else [*running, self._accounts.ended]
        await asyncio.wait(any_of, return_when=asyncio.FIRST_COMPLETED)
        self._stop()
        await asyncio.wait(running, timeout=ENDING)
        for one in any_of:
            if one.done():
                one.result()

    def _stop(self) -> None:
        for stage in self._stages:
            stage.stop()
        if self._accounts is not None:
            self._accounts.close()

    def _reasons(self) -> list[str]:
        return [reason for stage in self._stages for reason in stage.reasons()]


def _agreed(about: About, settings: Settings, config: Config) -> list[Processor]:
    """Every stage, by what this worker and all others hold to."""
    now = wall()
    about.settle(settings.partitions, settings.dedup_days)
    live = about.go_live({(rule.workspace, rule.name): rule.fingerprint() for rule in config.rules}, now)
    since = about.in_force(config.definitions.fingerprint, now, settings.partitions)
    about.announce(fingerprint(config))
    return processors(config, about.generation(), live, settings.dedup_days, since=since, events=settings.events)
