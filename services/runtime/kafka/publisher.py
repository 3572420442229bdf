"""The stages' way onto Kafka: internal messages in frames, public ones each by itself in one transaction."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from schemas import fast
from schemas.topics import TOPICS
from services.processor import Emit
from services.runtime.kafka.connection import topic_name
from services.runtime.kafka.fenced import FencedProducer, Keyed
from services.runtime.kafka.framing import Framed, check, cut
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import FrameProducer
from services.runtime.kafka.topics import partitions
from services.runtime.settings import Settings

AT_ONCE = 32  # transactions under way in a process: each waits in a thread for Kafka's answers
_threads = ThreadPoolExecutor(AT_ONCE, "fenced")


class _Topic(NamedTuple):
    name: str
    partitions: int
    public: bool


class KafkaPublisher:
    """Publishes for one stage and partition (ports.Publisher). `frames` is the process's own, shared by all of them.

    Each message is encoded once. When `publish` returns, everything is delivered and committed.
    """

    def __init__(self, settings: Settings, frames: FrameProducer, stage: str, partition: int):
        self._frames = frames
        self._fenced = FencedProducer(settings, f"{stage}-{partition}")
        self._topics = {
            name: _Topic(topic_name(settings, name), partitions(name, settings), topic.public)
            for name, topic in TOPICS.items()
            if stage in topic.producers or name == "rejected"
        }
        self._public = any(topic.public for topic in self._topics.values())

    async def take_over(self) -> None:
        """Put out the former owner; call it before the state is loaded. Else the first public message does it, and
        until then a former owner that died in the middle of a transaction keeps readers waiting. Raises Retry when
        Kafka cannot do it now."""
        if self._public:
            await asyncio.get_running_loop().run_in_executor(_threads, self._fenced.take_over)

    async def publish(self, emits: Sequence[Emit]) -> None:
        """Publish; the messages of a partition keep this order. Raises Fenced when the partition is another's, and
        Retry when Kafka cannot take it now: then any frame may be there, and of the public messages none, or all."""
        lines, public = self._sorted(emits)
        framed: list[Framed] = []
        for (name, partition), some in lines.items():
            framed += cut(name, partition, some)
        delivered = self._frames.deliver(framed) if framed else None
        if public:
            await asyncio.get_running_loop().run_in_executor(_threads, self._fenced.publish, public)
        if delivered is not None:
            await delivered

    async def close(self) -> None:
        """Give the connections back."""
        await asyncio.get_running_loop().run_in_executor(_threads, self._fenced.close)

    def _sorted(self, emits: Sequence[Emit]) -> tuple[dict[tuple[str, int], list[bytes]], list[Keyed]]:
        """The lines of each partition, and the public messages."""
        lines: dict[tuple[str, int], list[bytes]] = {}
        public: list[Keyed] = []
        topics, dumps = self._topics, fast.dumps
        for topic, key, message in emits:
            name, count, is_public = topics[topic]
            partition = partition_of(key, count)
            line = dumps(message) if message is not None else None
            if is_public or line is None:
                check(name, line or b"")
                public.append(Keyed(name, partition, key.encode(), line))
            else:
                lines.setdefault((name, partition), []).append(line)
        return lines, public
