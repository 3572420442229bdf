"""What the ledger tells, brought onto the topic `deliveries` of Kafka.

The ledger puts it into its own file, in the transaction that it tells of. From there it leaves in order, each frame at
least once: what Kafka has safely is taken out of the file, and so the file's beginning is where to go on.
"""

import asyncio
import sqlite3
from contextlib import suppress
from itertools import chain

import msgspec

from services.errors import Retry
from services.runtime import frames
from services.runtime.disk import Trouble
from services.runtime.followups.ledger import Ledger
from services.runtime.kafka.connection import topic_name
from services.runtime.kafka.framing import cut
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import FrameProducer
from services.runtime.kafka.topics import partitions
from services.runtime.settings import Settings

TOPIC = "deliveries"
MOST = 1_000  # messages that leave at once
PAUSE = 0.2  # seconds between two looks at a ledger that told nothing new
FOR_EVER = 2**62  # epoch ms


class _Keyed(msgspec.Struct):
    key: str


class Forwarding:
    """Forwards what one ledger tells."""

    def __init__(self, ledger: Ledger, producer: FrameProducer, settings: Settings):
        self._ledger, self._producer = ledger, producer
        self._name, self._partitions = topic_name(settings, TOPIC), partitions(TOPIC, settings)
        self._key = msgspec.json.Decoder(_Keyed).decode
        self.trouble = Trouble("forwarding")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. What is left then is forwarded by the next life."""
        while not stop.is_set():
            try:
                moved = await self.step()
            except (Retry, sqlite3.OperationalError) as error:
                await self.trouble.back_off(error, stop)
                continue
            self.trouble.over()
            if not moved:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), PAUSE)

    async def step(self) -> int:
        """Bring the oldest of it onto Kafka. Returns how many frames of the ledger's that was."""
        with self._ledger.transaction() as db:
            found = frames.read(db, TOPIC, frames.beginning(db, TOPIC), MOST)
        if found:
            await self._deliver([line for frame in found for line in frame.body.split(b"\n")])
            self._ledger.trim(found[-1].offset + 1, FOR_EVER)
        return len(found)

    async def _deliver(self, lines: list[bytes]) -> None:
        places: dict[int, list[bytes]] = {}
        for line in lines:
            places.setdefault(partition_of(self._key(line).key, self._partitions), []).append(line)
        await self._producer.deliver(list(chain(*(cut(self._name, place, some) for place, some in places.items()))))
