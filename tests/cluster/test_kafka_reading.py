"""Reading Kafka from where the reader's own books say: in order, past gaps, and only what was committed."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from services.errors import RapportError
from services.processor import Emit
from services.runtime.kafka import topics
from services.runtime.kafka.fenced import FencedProducer, Keyed
from services.runtime.kafka.producer import FrameProducer
from services.runtime.kafka.publisher import KafkaPublisher
from services.runtime.kafka.reading import TopicReader
from services.runtime.settings import Settings
from tests.cluster.installed import installed, settings_for

WAIT = 10.0


@pytest.fixture(scope="module")
def settings(kafka: Any) -> Iterator[Settings]:
    """With 40 frames of a few cells, and 40 public messages of which each is followed by a gap."""
    with installed(kafka.address) as made:
        asyncio.run(_fill(made))
        yield made


async def _fill(settings: Settings) -> None:
    frames = FrameProducer(settings, "test")
    fold, assemble = KafkaPublisher(settings, frames, "fold", 0), KafkaPublisher(settings, frames, "assemble", 0)
    for n in range(20):
        await fold.publish([Emit("cells", f"p{key}", {"n": n}) for key in range(10)])
        await assemble.publish([Emit("profiles", f"p{key}", {"n": n}) for key in range(2)])
    for closing in (fold, assemble, frames):
        await closing.close()


def all_of(reader: TopicReader, partition: int, limit: int) -> tuple[list[int], int]:
    """The offsets of everything in a partition, read in pieces, and the offset to read next."""
    at, end, found = 0, reader.ends()[partition], []
    while at < end:
        chunk = reader.read(partition, at, limit, WAIT)
        assert sum(one.count for one in chunk.frames[:-1]) < limit
        found += [one.offset for one in chunk.frames]
        assert all(at <= one.offset < chunk.next for one in chunk.frames) and chunk.next > at
        at = chunk.next
    return found, at


@pytest.mark.parametrize("limit", [1, 7, 10_000])
@pytest.mark.parametrize("topic", ["cells", "profiles"])
def test_every_frame_comes_once_and_in_order_however_it_is_asked_for(
    settings: Settings, topic: str, limit: int
) -> None:
    reader = TopicReader(settings, topic, "test")
    found = {partition: all_of(reader, partition, limit) for partition in range(reader.partitions)}
    assert sum(len(offsets) for offsets, _ in found.values()) == 40
    assert {partition: at for partition, (_, at) in found.items()} == reader.ends()
    for offsets, _ in found.values():
        assert offsets == sorted(set(offsets))
    if topic == "cells":
        assert all(offsets == list(range(len(offsets))) for offsets, _ in found.values())
    reader.close()


def test_the_end_of_a_public_topic_is_told_with_the_gap_after_it(settings: Settings) -> None:
    reader = TopicReader(settings, "profiles", "test")
    for partition, end in reader.ends().items():
        last = all_of(reader, partition, 10_000)[0]
        if last:
            assert end == last[-1] + 2  # behind the last message lies the mark that it was committed
            assert reader.read(partition, end, 10) == ([], end)
    reader.close()


def test_a_reader_that_goes_back_gets_the_same_again(settings: Settings) -> None:
    reader = TopicReader(settings, "cells", "test")
    first = reader.read(0, 0, 5, WAIT)
    reader.read(1, 0, 10_000, WAIT)
    assert reader.read(0, 0, 5, WAIT) == first
    assert reader.read(0, 0, 5, WAIT) == first
    assert reader.read(0, first.next, 5, WAIT).frames[0].offset == first.next
    reader.close()


def test_who_follows_a_public_topic_over_its_gaps_never_has_to_look_for_its_place(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[int, int]] = []
    begin = TopicReader._begin

    def counted(self: TopicReader, partition: int, start: int) -> Any:
        begun.append((partition, start))
        return begin(self, partition, start)

    monkeypatch.setattr(TopicReader, "_begin", counted)
    name, reader = topics.topic_name(settings, "audience-changes"), TopicReader(settings, "audience-changes", "test")
    writer, at, found = FencedProducer(settings, "assemble-1"), [0, 0], list[bytes]()
    for n in range(5):
        writer.publish([Keyed(name, partition, b"k", b"%d%d" % (n, partition)) for partition in range(2)])
        for wait in (WAIT, 0.3):
            for partition in range(2):
                chunk = reader.read(partition, at[partition], 10, wait)
                at[partition] = chunk.next
                found += [one.body for one in chunk.frames]
    assert sorted(found) == [b"%d%d" % (n, partition) for n in range(5) for partition in range(2)]
    assert begun == [(0, 0), (1, 0)]
    reader.close()
    writer.close()


def test_at_the_end_nothing_is_waited_for_that_is_not_asked_for(settings: Settings) -> None:
    reader = TopicReader(settings, "cells", "test")
    end = reader.ends()[0]
    reader.read(0, end, 10, WAIT)
    began = time.monotonic()
    for _ in range(20):
        assert reader.read(0, end, 10) == ([], end)
    assert time.monotonic() - began < WAIT / 10
    reader.close()


def test_what_is_not_committed_yet_is_not_read_and_holds_up_nobody_s_place(settings: Settings) -> None:
    name = topics.topic_name(settings, "actions")
    open_one, reader = FencedProducer(settings, "rules-0"), TopicReader(settings, "actions", "test")
    open_one.publish([Keyed(name, 0, b"k", b'{"n":1}')])
    producer = open_one._producer
    assert producer is not None
    producer.begin_transaction()
    producer.produce(name, b'{"n":2}', b"k", 0)
    producer.flush(WAIT)
    end = reader.ends()[0]
    found = reader.read(0, 0, 10, WAIT)
    assert [one.body for one in found.frames] == [b'{"n":1}'] and found.next <= end == 2
    producer.commit_transaction(WAIT)
    assert [one.body for one in reader.read(0, found.next, 10, WAIT).frames] == [b'{"n":2}']
    reader.close()
    open_one.close()


def test_what_the_log_no_longer_holds_or_never_held_ends_the_reader_with_the_reason(settings: Settings) -> None:
    client, name = topics.administrator(settings), topics.topic_name(settings, "cells")
    client.delete_records([TopicPartition(name, 1, 3)])[TopicPartition(name, 1)].result()
    for at in (0, 10_000):
        reader = TopicReader(settings, "cells", "test")
        assert reader.beginnings()[1] == 3
        with pytest.raises(RapportError, match=rf"holds the offsets 3 to \d+, and a reader is at {at}"):
            for _ in range(3):
                reader.read(1, at, 10, WAIT)
        reader.close()


def test_a_topic_that_is_not_there_says_how_it_is_made(kafka: Any) -> None:
    with pytest.raises(RapportError, match="rapport topics apply"):
        TopicReader(settings_for(kafka.address), "cells", "test")
