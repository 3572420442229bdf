"""Orders about the ledger, from the topic `commands` of Kafka: carried out once each, in order."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress

import msgspec
import structlog

from schemas.fast import Command
from services.errors import Retry
from services.runtime.disk import Trouble
from services.runtime.followups import desk
from services.runtime.followups.ledger import Ledger
from services.runtime.kafka.reading import TopicReader
from services.runtime.workers.actions import names
from services.runtime.workers.lines import UNREADABLE

MOST = 100  # orders read at once
PAUSE = 0.2  # seconds between two looks

_log = structlog.get_logger()


class LedgerOrders:
    """Reads orders and carries out those about the ledger. One that is cut short is carried out again; each may be."""

    def __init__(self, ledger: Ledger, reader: TopicReader, clock: Callable[[], int]):
        self._ledger, self._reader, self._clock = ledger, reader, clock
        (self._name,) = names(reader)
        self._decode = msgspec.json.Decoder(Command).decode
        self.trouble = Trouble("orders")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            try:
                done = self.step()
            except Retry:  # Kafka is away, as the lease tells
                done = 0
            except sqlite3.OperationalError as error:
                await self.trouble.back_off(error, stop)
                continue
            self.trouble.over()
            if not done:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), PAUSE)

    def step(self) -> int:
        """Carry out what has come. Returns how many orders that was."""
        position = self._ledger.positions([self._name])[self._name]
        chunk = self._reader.read(0, position, MOST)
        orders = [line for frame in chunk.frames if frame.body for line in frame.body.split(b"\n")]
        for line in orders:
            self._carry_out(line)
        if chunk.next != position:
            self._ledger.take({self._name: chunk.next}, [], self._clock())
        return len(orders)

    def _carry_out(self, line: bytes) -> None:
        try:
            order = self._decode(line)
        except UNREADABLE as error:
            _log.error("a message on `commands` is no order", reason=str(error)[:500])
            return
        if desk.obey(self._ledger, order, self._clock()):
            _log.info("order", command=order.command, who=order.who)
        else:
            _log.warning("an order that cannot be carried out on a cluster", command=order.command, who=order.who)
