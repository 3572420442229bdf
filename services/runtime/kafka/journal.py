"""The collectors' way onto Kafka: a request is answered when all its lines are delivered (acks=all), and not before.

Each partition gathers lines for `linger` ms, and for as long as its last frame is on its way: under little load a frame
leaves at once, and under load it grows by itself to what arrives while Kafka answers. While Kafka is away, what waits
is bounded, and one frame at a time tries whether it is back; everybody else is told at once to come again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from schemas.topics import TOPICS
from services.errors import RapportError, Retry
from services.runtime import metrics
from services.runtime.disk import Trouble
from services.runtime.kafka.connection import topic_name
from services.runtime.kafka.framing import LONGEST, MOST_BYTES, MOST_LINES, check, cut
from services.runtime.kafka.keys import KEYS
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import FrameProducer
from services.runtime.kafka.topics import partitions
from services.runtime.settings import Settings

MOST_WAITING = 64 * 1024 * 1024  # bytes of lines that may wait for Kafka
GROWS = 6  # times: an event that was refused is kept as text, where JSON may write a byte as \u0000
AFTER = 2.0  # seconds that a client is to wait while Kafka is away


class _Gathered:
    """Lines of one partition that will leave together. `done` fails with Retry."""

    __slots__ = ("done", "lines", "size")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.size = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class _Lane:
    """A partition of a topic: what it gathers, and how many of its frames are on their way."""

    __slots__ = ("gathered", "name", "partition", "under_way")

    def __init__(self, name: str, partition: int):
        self.name, self.partition = name, partition
        self.gathered: _Gathered | None = None
        self.under_way = 0


class KafkaJournal:
    """Appends to the collectors' topics on Kafka. `event_bytes` is the longest event that is accepted.

    Raises RapportError when a message could not hold such an event. Use it on one event loop.
    """

    def __init__(self, settings: Settings, event_bytes: int):
        if event_bytes * GROWS > LONGEST:
            raise RapportError(
                f"limits.event_bytes is {event_bytes:,}, but on Kafka an event may have {LONGEST // GROWS:,} bytes:"
                " make it smaller in config/"
            )
        self._producer = FrameProducer(settings, "collector")
        self._linger = settings.kafka_linger / 1000
        self._lanes = {
            name: [_Lane(topic_name(settings, name), number) for number in range(partitions(name, settings))]
            for name, topic in TOPICS.items()
            if "collectors" in topic.producers
        }
        self._gathering: list[_Lane] = []
        self._flushing: asyncio.Handle | None = None
        self._size = self._under_way = 0
        self._trouble = Trouble("collector")

    async def append(self, touchpoints: Sequence[bytes], rejected: Sequence[bytes]) -> None:
        """Return when Kafka has these lines safely. Raises Retry when it cannot take them now; then some of them may be
        there all the same, and sending them again is what message ids are for."""
        await self.put({"touchpoints": touchpoints, "rejected": rejected})

    async def put(self, lines: Mapping[str, Sequence[bytes]]) -> None:
        """The same for any of the collectors' topics."""
        if self._size > MOST_WAITING:
            raise Retry("too much is waiting for Kafka", after=AFTER)
        if self._trouble.failures and (self._under_way or self._gathering):
            raise Retry("Kafka is away", after=AFTER)
        for waited in self._gather(lines):
            await asyncio.shield(waited.done)

    async def close(self) -> None:
        """Let what is on its way arrive, for a few seconds; who was not answered until then knows nothing."""
        self._flush()
        await self._producer.close()

    def _gather(self, lines: Mapping[str, Sequence[bytes]]) -> list[_Gathered]:
        """Give each line to its partition. Returns what the request has to wait for."""
        waited: dict[int, _Gathered] = {}
        for topic, some in lines.items():
            lanes, key = self._lanes[topic], KEYS[topic]
            for line in some:
                check(topic, line)
                lane = lanes[partition_of(key(line), len(lanes))]
                gathered = lane.gathered
                if gathered is None or gathered.size > MOST_BYTES or len(gathered.lines) == MOST_LINES:
                    gathered = self._begin(lane)
                gathered.lines.append(line)
                gathered.size += len(line)
                self._size += len(line)
                waited[id(gathered)] = gathered
        return list(waited.values())

    def _begin(self, lane: _Lane) -> _Gathered:
        """Let the partition gather anew. What it has gathered is a full frame, and leaves at once."""
        if lane.gathered is not None:
            self._send(lane)
        else:
            self._gathering.append(lane)
        lane.gathered = _Gathered()
        if self._flushing is None:
            loop = asyncio.get_running_loop()
            self._flushing = loop.call_later(self._linger, self._flush) if self._linger else loop.call_soon(self._flush)
        return lane.gathered

    def _flush(self) -> None:
        """Send what was gathered, but for partitions whose last frame is on its way."""
        self._flushing = None
        lanes, self._gathering = self._gathering, []
        for lane in lanes:
            if lane.under_way:
                self._gathering.append(lane)
            else:
                self._send(lane)
        metrics.WAITING.set(self._size)

    def _send(self, lane: _Lane) -> None:
        gathered, lane.gathered = lane.gathered, None
        assert gathered is not None
        lane.under_way += 1
        self._under_way += 1
        delivered = self._producer.deliver(list(cut(lane.name, lane.partition, gathered.lines)))
        delivered.add_done_callback(partial(self._delivered, lane, gathered))

    def _delivered(self, lane: _Lane, gathered: _Gathered, delivered: "asyncio.Future[None]") -> None:
        """Answer everybody who waits for these lines; then the partition's next ones may leave."""
        lane.under_way -= 1
        self._under_way -= 1
        error = delivered.exception()
        if isinstance(error, Exception):
            self._trouble.met(error)
            self._refuse(gathered, str(error))
            if lane.gathered is not None:  # who has waited behind it would else wait as long again
                self._gathering.remove(lane)
                waiting, lane.gathered = lane.gathered, None
                self._refuse(waiting, str(error))
            return
        self._trouble.over()
        self._size -= gathered.size
        metrics.WAITING.set(self._size)
        gathered.done.set_result(None)
        if lane.gathered is not None and self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_soon(self._flush)

    def _refuse(self, gathered: _Gathered, why: str) -> None:
        self._size -= gathered.size
        metrics.WAITING.set(self._size)
        gathered.done.set_exception(Retry(why, after=AFTER))
        gathered.done.exception()  # who waited may be gone
