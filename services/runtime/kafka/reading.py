"""Reading a topic from where the reader's own books say: for delivery, the warehouse, tables and commands.

No consumer group: who reads says from where, so what was read and what was done with it are noted in one place. Of a
public topic only what was committed is read. Its offsets have gaps, where Kafka notes the ends of transactions, so the
offset to read next is not the last one and one more: it comes with what was read.
"""

import time
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec

from schemas.topics import TOPICS
from services.errors import RapportError, Retry
from services.runtime.frames import StoredFrame
from services.runtime.kafka import topics
from services.runtime.kafka.connection import client_settings, connected, reason, topic_name
from services.runtime.settings import Settings

MOST_HELD = 32 * 1024 * 1024  # bytes of frames of other partitions that wait until they are asked for
MESSAGES = 500  # that librdkafka hands over at once
_GONE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}


class Chunk(NamedTuple):
    """What was read of a partition, and the offset to read `next`, which may move on with no frames, too."""

    frames: list[StoredFrame]
    next: int


class _Partition:
    """What has come of a partition and was not asked for yet. `position` is the offset after it; `given` was told as
    the next one to read, and a gap that was seen since lies behind it."""

    def __init__(self, position: int):
        self.frames: deque[StoredFrame] = deque()
        self.position = self.given = position
        self.lines = 0
        self.ended = False  # that there is no more now was told since the last look

    @property
    def next(self) -> int:
        return self.frames[0].offset if self.frames else self.position


class TopicReader:
    """Reads the partitions of one topic, each in order. Not for two threads at once; nothing waits but `wait` seconds.

    A frame of an internal topic has one message or more; one of a public topic is one message, and a tombstone is a
    frame of none. `part` names the reader in Kafka's logs. Raises RapportError when the topic is not there.
    """

    def __init__(self, settings: Settings, topic: str, part: str):
        self.topic, self._settings, self._name = topic, settings, topic_name(settings, topic)
        self._committed = TOPICS[topic].public
        self._administrator = topics.administrator(settings)
        there = topics.all_there(self._administrator, settings, [topic])[topic]
        self.partitions, self.incarnation = there.partitions, there.incarnation
        self._parts: dict[int, _Partition] = {}
        self._held, self._away = 0, ""
        made = client_settings(settings, part) | {
            "group.id": f"{settings.kafka_prefix}rapport-{part}",  # librdkafka wants one; nobody joins it
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed" if self._committed else "read_uncommitted",
            "queued.max.messages.kbytes": 16 * 1024,
            "fetch.wait.max.ms": 100,  # a partition that is new to us waits for the answer that others wait for
            "fetch.queue.backoff.ms": 50,
            "error_cb": self._told,
        }
        self._consumer = connected(Consumer, made)

    def read(self, partition: int, start: int, limit: int, wait: float = 0.0) -> Chunk:
        """The frames from offset `start` on, in order, until they hold `limit` messages or more; what has come by now,
        or comes within `wait` seconds. Partitions are read ahead from the first call on.

        Raises RapportError when the log no longer holds (or never held) what is asked for, Retry when Kafka is away.
        """
        part = self._parts.get(partition)
        if part is None or start not in (part.given, part.next):
            part = self._begin(partition, start)
        part.ended, until = False, time.monotonic() + wait
        while part.lines < limit and (self._held < MOST_HELD or not part.frames):
            if not self._fetch(0.0 if part.frames or part.ended else max(0.0, until - time.monotonic())):
                break
        found = _taken(part, limit)
        self._held -= sum(len(frame.body) for frame in found)
        if not found and self._away:
            away, self._away = self._away, ""
            raise Retry(f"{self._name} cannot be read: {away}")
        part.given = part.next
        return Chunk(found, part.given)

    def beginnings(self) -> dict[int, int]:
        """Of each partition the first offset that is still there."""
        return self._offsets(OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    def ends(self) -> dict[int, int]:
        """Of each partition the offset after the last that can be read now: what is not committed lies behind it."""
        return self._offsets(OffsetSpec.latest())  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Give the connections back."""
        self._consumer.close()

    def _begin(self, partition: int, start: int) -> _Partition:
        """Read this partition from `start` on; what was read ahead is forgotten."""
        place = TopicPartition(self._name, partition, start)
        if old := self._parts.pop(partition, None):
            self._held -= sum(len(frame.body) for frame in old.frames)
            self._consumer.incremental_unassign([place])
        self._consumer.incremental_assign([place])
        self._parts[partition] = _Partition(start)
        return self._parts[partition]

    def _fetch(self, wait: float) -> int:
        """Take what has come for any partition. Returns how many messages that were."""
        first = self._consumer.poll(wait)  # consume() would wait until it has all of so many
        messages = [first, *self._consumer.consume(MESSAGES, 0.0)] if first is not None else []
        wrong: list[tuple[Message, KafkaError]] = []
        for message in messages:
            part, error = self._parts[_partition(message)], message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                part.position, part.ended = max(part.position, message.offset() or 0), True
            if error is not None:
                wrong.append((message, error))
                continue
            frame = _frame(message)
            part.frames.append(frame)
            part.lines += frame.count
            part.position = frame.offset + 1
            self._held += len(frame.body)
        for message, error in wrong:  # once all that has come is in its place
            self._raise(message, error)
        return len(messages)

    def _raise(self, message: Message, error: KafkaError) -> None:
        """What cannot be read. That there is no more now is told as an error, too, and is none."""
        if error.code() == KafkaError._PARTITION_EOF:
            return
        where = f"{self._name}/{_partition(message)}"
        if error.code() not in _GONE:
            raise Retry(f"{where} cannot be read: {error.str()}")
        partition, part = _partition(message), self._parts[_partition(message)]
        begin, end = self.beginnings()[partition], self.ends()[partition]
        raise RapportError(
            f"{where} holds the offsets {begin} to {end}, and a reader is at {part.position}: it was away for longer"
            " than the topic keeps messages, or the topic is not the one that it knew"
        )

    def _told(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._away = error.str()

    def _offsets(self, which: OffsetSpec) -> dict[int, int]:
        level = IsolationLevel.READ_COMMITTED if self._committed else IsolationLevel.READ_UNCOMMITTED
        asked = {TopicPartition(self._name, partition): which for partition in range(self.partitions)}
        try:
            answers = self._administrator.list_offsets(asked, isolation_level=level, request_timeout=topics.WITHIN)
            return {place.partition: future.result().offset for place, future in answers.items()}
        except KafkaException as error:
            with suppress(KafkaException):
                self._administrator.list_topics(self._name, topics.WITHIN)  # who leads may have changed
            raise Retry(f"the offsets of {self._name} cannot be asked for: {reason(error)}") from None


def _partition(message: Message) -> int:
    found = message.partition()
    assert found is not None
    return found


def _frame(message: Message) -> StoredFrame:
    body, at = message.value() or b"", message.timestamp()[1]
    lines = body.count(b"\n") + 1 if body else 0
    return StoredFrame(message.offset() or 0, lines, at, bytes(body))


def _taken(part: _Partition, limit: int) -> list[StoredFrame]:
    """Take frames until they hold `limit` messages or more."""
    found: list[StoredFrame] = []
    lines = 0
    while part.frames and lines < limit:
        found.append(part.frames.popleft())
        lines += found[-1].count
    part.lines -= lines
    return found
