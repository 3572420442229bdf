"""`rapport worker delivery`: the one process that sends follow-ups. It writes ledger.db on a volume of its own.

That it is the one is seen to three times: by the lock of its data folder, by the name of the installation's ledger
(beginning.py), and by a lease that Kafka grants (kafka/lease.py).
"""

import asyncio
import os
import random
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from prometheus_client import REGISTRY

from services.automation.check import compile_rules
from services.configuration import load_config
from services.errors import RapportError, Retry
from services.runtime import disk, files, metrics
from services.runtime.clock import LogClock
from services.runtime.disk import Trouble
from services.runtime.files import Files
from services.runtime.followups import ways_out
from services.runtime.followups.bounces import BouncedAddresses
from services.runtime.followups.delivery import Delivery
from services.runtime.followups.ledger import Ledger
from services.runtime.followups.renderer import Renderer
from services.runtime.kafka import topics
from services.runtime.kafka.lease import Lease
from services.runtime.kafka.producer import FrameProducer
from services.runtime.kafka.reading import TopicReader
from services.runtime.mail_back.links import links_of
from services.runtime.profiles import ProfileReader
from services.runtime.redis.about import About
from services.runtime.redis.connection import connect
from services.runtime.redis.people import RedisRecords
from services.runtime.settings import Settings
from services.runtime.workers import beginning
from services.runtime.workers.actions import KafkaActions, names
from services.runtime.workers.forwarding import Forwarding
from services.runtime.workers.health import answering
from services.runtime.workers.ledger_orders import LedgerOrders

BEAT = 1.0  # seconds between two looks whether we are the one
_FAILS = {
    "delivery": "people or the ledger's disk cannot be reached, so nothing is sent",
    "forwarding": "what became of follow-ups cannot be brought onto `deliveries`",
    "orders": "orders about the ledger cannot be read",
}


def serve(settings: Settings, ready: Callable[[Any], None]) -> None:
    """Run until SIGTERM. Says its health port when it is ready. Raises RapportError when it may not send, and Fenced
    when another worker does."""
    folder = Files(settings.data.resolve())
    with disk.explained(folder.folder):
        lock = files.lock(folder)
        if lock is None:
            raise RapportError(f"another process has the data folder {folder.folder}: stop it first")
        with lock:
            asyncio.run(_Worker(settings, Ledger(folder.ledger)).run(ready))


class _Worker:
    """Everything of the process."""

    def __init__(self, settings: Settings, ledger: Ledger):
        topics.check(settings)
        self._settings, self._ledger, self._clock = settings, ledger, LogClock(0)
        self._actions = TopicReader(settings, "actions", "delivery")
        self._orders = TopicReader(settings, "commands", "orders")
        self._lease = Lease(settings, beginning.name_of(ledger))
        self._trouble = Trouble("lease")
        self._stop = asyncio.Event()

    async def run(self, ready: Callable[[Any], None]) -> None:
        """Until SIGTERM, or until one of the parts ends with an error."""
        for one in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(one, self._stop.set)
        producer = FrameProducer(self._settings, "delivery")
        forwarding = Forwarding(self._ledger, producer, self._settings)
        try:
            async with answering(self._settings.host, self._settings.health_port, self._reasons) as port:
                await self._until_begun()
                ready(port)
                orders = LedgerOrders(self._ledger, self._orders, self._clock)
                await self._together(self._hold(), orders.run(self._stop), forwarding.run(self._stop), self._delivery())
            with suppress(Retry):
                await forwarding.step()  # what the last calls came to
                if self._lease.held:
                    await asyncio.to_thread(self._lease.rest, self._positions())
        finally:
            await producer.close()
            self._close()

    async def _until_begun(self) -> None:
        """What is away when we start may come."""
        while not self._stop.is_set():
            try:
                return await asyncio.to_thread(self._begin)
            except Retry as error:
                await self._trouble.back_off(error, self._stop)

    def _begin(self) -> None:
        """Become the one that sends. Nothing is sent until the lease of whoever was it has run out, or was given back.
        Cut short, it may be done again."""
        ledger, lease, about = self._ledger, self._lease, About(connect(self._settings))
        name = beginning.name_of(ledger)
        former = beginning.former(about, name)
        beginning.check(ledger, name, self._actions, lease.committed(self._actions.partitions))
        told = lease.take(self._actions.partitions)
        beginning.check(ledger, name, self._actions, told)  # once more: now nobody tells anything any more
        others = former not in ("", name) or any(one.ledger != name for one in told.values())
        beginning.begin(ledger, self._actions, others, self._clock())
        beginning.begin(ledger, self._orders, False, self._clock())
        if not about.claim_ledger(name, former):
            raise RapportError("another delivery worker with another ledger has just been started: there can be one")

    async def _together(self, *parts: Coroutine[Any, Any, None]) -> None:
        """Run these until the first comes to an end, then let all others end. Raises what ended them."""
        tasks = [asyncio.create_task(part) for part in parts]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        self._stop.set()
        await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    async def _hold(self) -> None:
        """Have the lease again and again. Raises Fenced when it is another's now."""
        while not self._stop.is_set():
            try:
                await asyncio.to_thread(self._beat, self._positions())
            except Retry as error:
                self._trouble.met(error)
            else:
                self._trouble.over()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), BEAT)

    def _positions(self) -> dict[int, int]:
        partitions = names(self._actions)
        positions = self._ledger.positions(partitions)
        return {number: positions[partition] for number, partition in enumerate(partitions)}

    def _beat(self, at: dict[int, int]) -> None:
        self._lease.renew(at)
        ends = self._actions.ends()
        metrics.BEHIND.labels("delivery").set(sum(max(0, ends[number] - offset) for number, offset in at.items()))

    def _delivery(self) -> Coroutine[Any, Any, None]:
        settings, config = self._settings, load_config(self._settings.config)
        records = RedisRecords(partial(connect, settings), settings.partitions)
        people = ProfileReader(records, config.identity, config.definitions, self._clock)
        senders = ways_out.senders(settings, os.environ)
        delivery = Delivery(
            self._ledger, KafkaActions(self._actions), people.of, compile_rules(config.rules, os.environ), senders,
            Renderer(links_of(settings)), self._clock, random.SystemRandom().random, sending=config.sending,
            bounced=BouncedAddresses(records), paused=lambda: not self._lease.held, account=people.account,
        )  # fmt: skip
        return delivery.run(self._stop)

    def _reasons(self) -> list[str]:
        """Why this worker does not send now, in sentences."""
        failing = [
            f"{told}: the log of this worker says why"
            for part, told in _FAILS.items()
            if REGISTRY.get_sample_value("rapport_failing", {"part": part})
        ]
        if not self._lease.held:
            failing.append("Kafka has not confirmed yet, or not lately, that this is the one worker that sends")
        return failing

    def _close(self) -> None:
        for one in (self._actions, self._orders, self._lease, self._ledger):
            one.close()
