"""An installation on a Kafka that others use too: topics under a prefix of its own, gone at the end."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from services.runtime.frames import StoredFrame
from services.runtime.kafka import topic_plan, topics
from services.runtime.kafka.reading import TopicReader
from services.runtime.settings import Settings

WITHIN = 20.0  # seconds for reading what is there


def settings_for(address: str, **given: Any) -> Settings:
    """Settings with a prefix that nobody has, and few partitions, of one replica each."""
    few = {"partitions": 2, "replication": 1, "kafka_prefix": f"test-{uuid.uuid4().hex[:12]}-"}
    return Settings(kafka=address, **(few | given))


@contextmanager
def installed(address: str, **given: Any) -> Iterator[Settings]:
    """The topics of an installation, as `rapport topics apply` makes them."""
    settings = settings_for(address, **given)
    client = topics.administrator(settings)
    topic_plan.apply(client, settings, topic_plan.plan(client, settings))
    try:
        yield settings
    finally:
        gone = client.delete_topics([one.name for one in topics.wanted(settings)])
        for future in gone.values():
            future.exception()


def frames_of(settings: Settings, topic: str) -> dict[int, list[StoredFrame]]:
    """Everything that a reader sees of a topic now, by partition."""
    reader = TopicReader(settings, topic, "test")
    try:
        found: dict[int, list[StoredFrame]] = {}
        for partition, end in reader.ends().items():
            at, found[partition] = reader.beginnings()[partition], []
            while at < end:
                chunk = reader.read(partition, at, 10_000, WITHIN)
                assert chunk.next > at, f"nothing came of {topic}/{partition} at {at} of {end}"
                found[partition] += chunk.frames
                at = chunk.next
        return found
    finally:
        reader.close()


def lines_of(settings: Settings, topic: str) -> list[bytes]:
    """Every line of a topic, partition after partition."""
    return [line for some in frames_of(settings, topic).values() for one in some for line in one.body.split(b"\n")]
