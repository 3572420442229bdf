"""Which partitions are ours: the membership of a consumer group, by which several workers share topics.

Nothing is read through it, and nothing starts from its offsets: who reads knows by its own books from where. Offsets
are committed for tools that show the lag of the group.
"""

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from services.errors import RapportError
from services.runtime.kafka.connection import client_settings, connected, topic_name
from services.runtime.settings import Settings

SESSION = 10_000  # ms without a heartbeat until a worker's partitions go to others
TELL = 5.0  # seconds between two commits


class Share:
    """One member of the group `rapport-<part>`. Not for two threads at once; asks Kafka and waits for nothing."""

    def __init__(self, settings: Settings, part: str, topics: Sequence[str]):
        self._names = {topic_name(settings, topic): topic for topic in topics}
        self._ours: dict[str, set[int]] = {topic: set() for topic in topics}
        self._positions: dict[tuple[str, int], int] = {}
        self._told = time.monotonic()
        made = client_settings(settings, f"{part}-share") | {
            "group.id": f"{settings.kafka_prefix}rapport-{part}",
            "enable.auto.commit": False,
            "session.timeout.ms": SESSION,
            "heartbeat.interval.ms": SESSION // 4,
            "partition.assignment.strategy": "cooperative-sticky",
            "queued.max.messages.kbytes": 1024,
        }
        self._member = connected(Consumer, made)
        self._member.subscribe(list(self._names), on_assign=self._assigned, on_revoke=self._revoked)

    def partitions(self, topic: str) -> list[int]:
        """Those of the topic that are ours now. Call it often: it is how the group's word reaches us."""
        message = self._member.poll(0)
        if message is not None and (error := message.error()) is not None and error.fatal():
            raise RapportError(f"the group that shares the topics cannot be joined: {error.str()}")
        return sorted(self._ours[topic])

    def tell(self, topic: str, partition: int, position: int) -> None:
        """Note where we are: it is committed once in a while."""
        self._positions[topic, partition] = position
        if time.monotonic() - self._told > TELL:
            self._told = time.monotonic()
            self._commit(self._positions)
            self._positions = {}

    def close(self) -> None:
        """Leave the group: others take over at once."""
        self._member.close()

    def _commit(self, positions: Mapping[tuple[str, int], int]) -> None:
        names = {topic: name for name, topic in self._names.items()}
        ours = [TopicPartition(names[t], p, at) for (t, p), at in positions.items() if p in self._ours[t]]
        try:
            if ours:
                self._member.commit(offsets=ours, asynchronous=True)
        except KafkaException:
            pass  # a tool shows an older position; nothing depends on it

    def _assigned(self, member: Consumer, given: list[TopicPartition]) -> None:
        for one in given:
            self._ours[self._names[one.topic]].add(one.partition)
        member.incremental_assign([TopicPartition(one.topic, one.partition, OFFSET_END) for one in given])
        member.pause(given)

    def _revoked(self, member: Consumer, taken: list[TopicPartition]) -> None:
        for one in taken:
            self._ours[self._names[one.topic]].discard(one.partition)
        member.incremental_unassign(taken)
