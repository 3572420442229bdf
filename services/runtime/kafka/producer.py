"""One idempotent producer for everything that a process puts on internal topics.

Idempotent: a frame that librdkafka sends again after a lost answer is there once, and the frames of a partition keep
their order. Not transactional: offsets of internal topics have no gaps. Delivery reports are collected on the event
loop, once a millisecond while something is under way: a thread of its own would fight the loop for the interpreter.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from services.errors import Retry
from services.runtime import metrics
from services.runtime.kafka.connection import MOST_MESSAGE, client_settings, connected, reason
from services.runtime.kafka.framing import Framed
from services.runtime.settings import Settings

WITHIN = 15.0  # seconds that a frame gets until it is delivered; a partition whose broker died has another after 9
POLL = 0.001  # seconds between two looks at what was delivered
QUIET = 1.0  # the same, when nothing is under way: librdkafka may have something to say
MOST_WAITING = 128 * 1024  # KiB of frames that librdkafka may hold
ENDING = 5.0  # seconds that frames under way get when the process ends

_log = structlog.get_logger()


class FrameProducer:
    """Delivers frames. Use it on one event loop. `part` names it in Kafka's logs."""

    def __init__(self, settings: Settings, part: str = "worker"):
        self._made = client_settings(settings, part) | {
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "zstd",
            "linger.ms": 0,
            "message.max.bytes": MOST_MESSAGE,
            "message.timeout.ms": int(WITHIN * 1000),
            "request.timeout.ms": 5_000,
            "queue.buffering.max.kbytes": MOST_WAITING,
        }
        self._producer = connected(Producer, self._made)
        self._under_way = 0
        self._broken = False
        self._polling: asyncio.TimerHandle | None = None

    def deliver(self, frames: Sequence[Framed]) -> "asyncio.Future[None]":
        """Done when Kafka has all of these safely (acks=all). It fails with Retry when one of them was not taken within
        WITHIN seconds; any of them may be there all the same."""
        if self._broken:
            self._renew()
        batch = _Batch(self, asyncio.get_running_loop().create_future(), len(frames))
        for at, frame in enumerate(frames):
            try:
                self._producer.produce(frame.name, frame.body, partition=frame.partition, on_delivery=batch.told)
            except (BufferError, KafkaException) as error:
                self._broken = isinstance(error, KafkaException) and _is_final(error.args[0])
                batch.end(len(frames) - at, reason(error))
                break
            self._under_way += 1
            metrics.FRAMES.labels(frame.name).inc()
            metrics.FRAME_LINES.labels(frame.name).inc(frame.lines)
        batch.end(0)
        self._look(POLL)
        return batch.done

    async def close(self) -> None:
        """Let what is under way end, for ENDING seconds, and give the connections back."""
        until = time.monotonic() + ENDING
        while self._under_way and time.monotonic() < until:
            await asyncio.sleep(POLL)
        if self._polling is not None:
            self._polling.cancel()
        self._producer.purge()
        await asyncio.to_thread(self._producer.close)

    def told(self, error: KafkaError | None) -> None:
        """A report of librdkafka's has come."""
        self._under_way -= 1
        self._broken = self._broken or (error is not None and _is_final(error))

    def _look(self, after: float) -> None:
        if self._polling is not None:
            self._polling.cancel()
        self._polling = asyncio.get_running_loop().call_later(after, self._poll)

    def _poll(self) -> None:
        self._polling = None
        try:
            self._producer.poll(0)
        finally:
            self._look(POLL if self._under_way else QUIET)

    def _renew(self) -> None:
        """After a fatal error (the cluster has forgotten us, say) nothing more leaves through the same producer."""
        _log.error("Kafka will not take any more of this producer, so there is a new one")
        self._producer.purge()
        self._producer.flush(1.0)
        self._producer, self._broken = connected(Producer, self._made), False


def _is_final(error: KafkaError) -> bool:
    return error.fatal() or error.code() == KafkaError._FATAL


class _Batch:
    """Frames that are waited for together."""

    __slots__ = ("_began", "_left", "_owner", "_wrong", "done")

    def __init__(self, owner: FrameProducer, done: "asyncio.Future[None]", count: int):
        self._owner, self.done, self._left = owner, done, count
        self._wrong = ""
        self._began = time.monotonic()

    def told(self, error: KafkaError | None, _message: Any) -> None:
        """One frame is there, or is not and will not be."""
        self._owner.told(error)
        self.end(1, error.str() if error is not None else "")

    def end(self, count: int, wrong: str = "") -> None:
        """So many are not waited for any more."""
        self._left -= count
        self._wrong = self._wrong or wrong
        if self._left or self.done.done():
            return
        metrics.DELIVERY_SECONDS.observe(time.monotonic() - self._began)
        if self._wrong:
            self.done.set_exception(Retry(f"Kafka did not take it: {self._wrong}", after=1.0))
            self.done.exception()  # who waited may be gone
        else:
            self.done.set_result(None)
