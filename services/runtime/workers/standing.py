"""Where the stages of a distributed platform stand: what the log has for them, and what their states have handled."""

from collections.abc import Iterable
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from schemas.topics import TOPICS
from services.pipeline import STAGES
from services.runtime.kafka import topics
from services.runtime.kafka.connection import topic_name, unreachable
from services.runtime.redis import layout
from services.runtime.redis.connection import Client, explained
from services.runtime.redis.layout import AT, PREFIX
from services.runtime.settings import Settings


def ends(settings: Settings, names: Iterable[str]) -> dict[tuple[str, int], int]:
    """The offset that the next message will get, of every partition of these topics. Raises Retry when Kafka does not
    say it now."""
    client = topics.administrator(settings)
    asked = {
        TopicPartition(topic_name(settings, name), partition): (name, partition)
        for name in names
        for partition in range(topics.partitions(name, settings))
    }
    latest = {one: OffsetSpec.latest() for one in asked}  # type: ignore[no-untyped-call]
    found = client.list_offsets(latest, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=topics.WITHIN)
    try:
        return {asked[one]: future.result().offset for one, future in found.items()}
    except KafkaException as error:
        raise unreachable(settings, error) from None


def behind(settings: Settings, client: Client, prefix: str = PREFIX) -> dict[str, int]:
    """How many messages of the log each stage has yet to handle."""
    read = {stage: _inputs(stage) for stage in STAGES}
    names = sorted({topic for inputs in read.values() for topic in inputs})
    lives = topics.incarnations(names, settings)
    found = ends(settings, names)
    return {
        stage: sum(
            max(0, end - _handled(marks.get(partition, {}), topic, lives[topic]))
            for (topic, partition), end in found.items()
            if topic in inputs
        )
        for stage, inputs in read.items()
        for marks in (_marks(client, stage, _partitions(inputs, settings), prefix),)
    }


def _inputs(stage: str) -> list[str]:
    return [name for name, topic in TOPICS.items() if stage in topic.consumers and topic.frames]


def _partitions(inputs: list[str], settings: Settings) -> int:
    return max(topics.partitions(topic, settings) for topic in inputs)


def _marks(client: Client, stage: str, partitions: int, prefix: str) -> dict[int, dict[bytes, bytes]]:
    with explained(), client.pipeline(transaction=False) as pipe:
        for partition in range(partitions):
            pipe.hgetall(layout.keys(prefix, stage, partition).meta)
        found: list[Any] = pipe.execute()
    return dict(enumerate(found))


def _handled(marks: dict[bytes, bytes], topic: str, incarnation: str) -> int:
    return int(marks.get(f"{AT}{topic}@{incarnation}".encode(), 0))
