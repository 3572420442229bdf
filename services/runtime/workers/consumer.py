"""Faust as the engine of a stage: the consumer group, the assignment of partitions, and the flow of messages.

Where to read on is not Faust's to decide: its consumer is told that what is committed is what the state's watermarks
say. What it commits to the group is for tools that show lag, and nothing starts from it.
"""

import os
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import faust
from faust.transport.drivers import aiokafka
from faust.types import TP

SESSION = 6.0  # seconds without a heartbeat until a worker's partitions go to others; Kafka's least by default
HEARTBEAT = 1.0
REQUEST = 15.0  # seconds for a request to a broker, and for loading all that was assigned
BUFFER = 32  # messages of a topic on their way to the partitions' own queues

Positions = Callable[[set[TP]], Awaitable[Mapping[TP, int]]]
Arrive = Callable[[Any], Awaitable[None]]  # called with each of Faust's events


class WatermarkConsumer(aiokafka.Consumer):
    """Reads on where `app.positions` says, after every rebalance."""

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Called by Faust wherever it would go to the group's committed offsets."""
        app: Any = self.app
        positions: Mapping[TP, int] = await app.positions(self.assignment())
        await self.seek_wait(positions)
        return positions


class _Transport(aiokafka.Transport):
    Consumer = WatermarkConsumer


class StageApp(faust.App):
    """The Faust app of one stage: consumer group `<prefix>rapport-<stage>`, raw bytes in. `topics` are Kafka's names,
    `made` says how to reach it, `positions` where to read on; `arrive` takes each message."""

    def __init__(
        self, prefix: str, stage: str, topics: Iterable[str], made: Mapping[str, Any], positions: Positions,
        arrive: Arrive,
    ):  # fmt: skip
        folder = Path(tempfile.gettempdir()) / f"rapport-faust-{os.getpid()}"  # Faust wants one and writes nothing
        super().__init__(
            f"{prefix}rapport-{stage}", web_enabled=False, datadir=folder, topic_allow_declare=False,
            topic_disable_leader=True, broker_session_timeout=SESSION, broker_heartbeat_interval=HEARTBEAT,
            broker_request_timeout=REQUEST, broker_rebalance_timeout=REQUEST, consumer_auto_offset_reset="earliest",
            stream_wait_empty=False,  # what waits here is read again: nobody waits for it, and after a bug in vain
            stream_buffer_maxsize=BUFFER, worker_redirect_stdouts=False, **made,
        )  # fmt: skip
        self.positions = positions
        self.transport = _Transport(self.conf.broker_consumer, self)
        for topic in topics:
            raw = self.topic(topic, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw")
            self.agent(raw, name=f"{stage}.{topic}")(_forward(arrive))


def _forward(arrive: Arrive) -> Callable[[Any], Awaitable[None]]:
    async def forward(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive(event)

    return forward
