"""`rapport worker ingest`: a collector of a distributed platform. Start as many as are needed, behind one address.

It keeps nothing: what it has answered is on Kafka, whom it knows is in Redis, and on its disk it writes nothing.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import uvloop
from confluent_kafka import KafkaException

from services.configuration import load_config
from services.errors import RapportError
from services.runtime import collecting, guard
from services.runtime.clock import LogClock
from services.runtime.kafka import topics
from services.runtime.kafka.connection import reason
from services.runtime.kafka.journal import KafkaJournal
from services.runtime.profiles import ProfileReader
from services.runtime.redis.connection import Client, connect, explained
from services.runtime.redis.people import RedisRecords
from services.runtime.settings import Settings
from services.runtime.streams import elsewhere
from services.runtime.timeline import WarehouseTimeline
from services.runtime.workers.health import answering

LOOK = 2.0  # seconds between two looks whether Kafka and Redis are there
REFUSED = {
    "rebuild": "a cluster cannot compute its people anew yet, `rapport up` on one machine can. Build a second"
    " installation beside this one (another RAPPORT_KAFKA_PREFIX, another Redis), and hand its /v1/admin/restore the"
    " touchpoints that ClickHouse has, as the lines that `rapport export` writes",
    "backfill": "a cluster cannot fill new traits from the past yet, `rapport up` on one machine can. Here they count"
    " what comes from now on",
}  # fmt: skip


def serve(settings: Settings, ready: Callable[[Any], None]) -> None:
    """Run until SIGTERM. Says its health port when it is ready. Raises RapportError when it cannot start."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, ready))


async def _serve(settings: Settings, ready: Callable[[Any], None]) -> None:
    config, clock = load_config(settings.config), LogClock(0)
    topics.check(settings)
    journal = KafkaJournal(settings, config.limits.event_bytes)
    records, lookout = RedisRecords(partial(connect, settings), settings.partitions), Lookout(settings)
    given = collecting.Given(
        journal, clock, ProfileReader(records, config.identity, config.definitions, clock),
        WarehouseTimeline(settings, settings.clickhouse), lookout.reasons,
        elsewhere.router(settings, guard.reader(settings)), collecting.registry(), REFUSED,
    )  # fmt: skip
    app = collecting.collector(settings, config, given)
    listener = collecting.listen(settings.host, settings.port)
    looking = asyncio.create_task(lookout.run())
    try:
        async with answering(settings.host, settings.health_port, lookout.reasons) as port:
            ready(port)
            await collecting.answer(app, listener)
    finally:
        looking.cancel()
        await journal.close()


class Lookout:
    """Looks again and again whether Kafka and Redis are there, so that whoever asks is answered at once."""

    def __init__(self, settings: Settings):
        self._settings, self._kafka = settings, topics.administrator(settings)
        self._redis: Client | None = None
        self._seen: list[str] = ["Kafka and Redis have not been looked for yet"]

    def reasons(self) -> list[str]:
        """Why the collector is not ready, in sentences, as of the last look."""
        return self._seen

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self._seen = await asyncio.to_thread(lambda: [*self._looked()])
            await asyncio.sleep(LOOK)

    def _looked(self) -> Iterator[str]:
        try:
            self._kafka.list_topics(timeout=LOOK)
        except KafkaException as error:
            yield f"Kafka at {self._settings.kafka} does not answer ({reason(error)}): nothing is accepted"
        try:
            with explained():
                self._redis = self._redis or connect(self._settings)
                self._redis.ping()
        except RapportError as error:
            yield f"nobody can be looked up: {error}"
