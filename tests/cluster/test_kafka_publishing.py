"""The stages' way onto Kafka: order, frames, and a fence for what is public."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Fenced, RapportError
from services.processor import Emit
from services.runtime.kafka.fenced import FencedProducer, Keyed
from services.runtime.kafka.framing import MOST_BYTES, MOST_LINES, cut
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import FrameProducer
from services.runtime.kafka.publisher import KafkaPublisher
from services.runtime.settings import Settings
from tests.cluster.installed import frames_of, installed, lines_of


@pytest.fixture
def settings(kafka: Any) -> Iterator[Settings]:
    with installed(kafka.address) as made:
        yield made


def told(settings: Settings, story: Callable[[FrameProducer], Coroutine[Any, Any, None]]) -> None:
    """Run a story with a producer of its own."""

    async def run() -> None:
        frames = FrameProducer(settings, "test")
        try:
            await story(frames)
        finally:
            await frames.close()

    asyncio.run(run())


def document(n: int, version: int) -> Emit:
    return Emit("profiles", f"p{n}", {"profile_id": f"p{n}", "version": version})


@given(st.lists(st.integers(0, 400_000), max_size=30), st.integers(0, 2_500))
def test_lines_are_cut_into_frames_in_order_and_none_is_too_large(sizes: list[int], small: int) -> None:
    lines = [b"%d" % n for n in range(small)] + [b"x" * size for size in sizes]
    frames = list(cut("t", 0, lines))
    assert [line for one in frames for line in one.body.split(b"\n")] == lines
    assert [one.lines for one in frames] == [one.body.count(b"\n") + 1 for one in frames]
    assert all(len(one.body) <= MOST_BYTES + MOST_LINES and one.lines <= MOST_LINES for one in frames)


def test_internal_messages_are_frames_of_their_partition_and_keep_their_order(settings: Settings) -> None:
    emits = [Emit("cells", f"p{n % 7}", {"n": n, "owner": f"p{n % 7}"}) for n in range(3_000)]

    async def story(frames: FrameProducer) -> None:
        publisher = KafkaPublisher(settings, frames, "fold", 0)
        await publisher.publish(emits[:2_500])
        await publisher.publish(emits[2_500:])
        await publisher.publish([])
        await publisher.close()

    told(settings, story)
    for partition, found in frames_of(settings, "cells").items():
        lines = [line for one in found for line in one.body.split(b"\n")]
        mine = [emit.message["n"] for emit in emits if partition_of(emit.key, 2) == partition]
        assert [int(line[5 : line.index(b",")]) for line in lines] == mine
        assert [one.offset for one in found] == list(range(len(found))) and len(found) < 10
        assert sum(one.count for one in found) == len(lines)


def test_public_messages_are_one_each_and_all_of_a_call_are_there_together(settings: Settings) -> None:
    async def story(frames: FrameProducer) -> None:
        publisher = KafkaPublisher(settings, frames, "assemble", 1)
        await publisher.take_over()
        for version in range(3):
            await publisher.publish([document(n, version) for n in range(20)])
        await publisher.publish([Emit("profiles", "p0", None)])
        await publisher.close()

    told(settings, story)
    found = frames_of(settings, "profiles")
    assert sum(one.count for some in found.values() for one in some) == 60
    last = found[partition_of("p0", 2)][-1]
    assert (last.count, last.body) == (0, b"")  # a tombstone
    for some in found.values():
        versions = [int(one.body.rpartition(b":")[2][:-1]) for one in some if one.body]
        assert versions == sorted(versions)


def test_who_has_lost_the_partition_publishes_nothing_any_more(settings: Settings) -> None:
    async def story(frames: FrameProducer) -> None:
        former, owner = (KafkaPublisher(settings, frames, "assemble", 0) for _ in range(2))
        await former.publish([document(1, 1)])
        await owner.take_over()
        with pytest.raises(Fenced):
            await former.publish([document(1, 7)])
        await owner.publish([document(1, 2)])
        await former.take_over()  # it has it again: it loads its state anew before
        with pytest.raises(Fenced):
            await owner.publish([document(1, 8)])
        await former.publish([document(1, 3)])
        await former.close()
        await owner.close()

    told(settings, story)
    assert [line.rpartition(b":")[2] for line in lines_of(settings, "profiles")] == [b"1}", b"2}", b"3}"]


def test_after_a_fatal_error_there_is_a_new_producer_and_the_frames_go_on(settings: Settings) -> None:
    async def story(frames: FrameProducer) -> None:
        publisher = KafkaPublisher(settings, frames, "fold", 0)
        await publisher.publish([Emit("cells", "p1", {"n": 1})])
        report, first = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True), frames._producer
        frames._under_way += 1
        frames.told(report)
        await publisher.publish([Emit("cells", "p1", {"n": 2})])
        assert frames._producer is not first
        await publisher.close()

    told(settings, story)
    assert lines_of(settings, "cells") == [b'{"n":1}', b'{"n":2}']


def test_a_stage_that_is_stopped_in_the_middle_of_a_transaction_can_be_closed_and_followed(settings: Settings) -> None:
    async def story(frames: FrameProducer) -> None:
        publisher, owner = (KafkaPublisher(settings, frames, "assemble", 0) for _ in range(2))
        await publisher.take_over()
        under_way = asyncio.create_task(publisher.publish([document(n, 1) for n in range(20)]))
        await asyncio.sleep(0.002)
        under_way.cancel()
        await publisher.close()
        await owner.publish([document(1, 2)])
        await owner.close()

    told(settings, story)
    found = lines_of(settings, "profiles")
    assert len(found) in (1, 21) and b'{"profile_id":"p1","version":2}' in found


def test_what_a_dead_owner_had_begun_is_never_seen_and_readers_do_not_wait_for_it(settings: Settings) -> None:
    dead, owner = FencedProducer(settings, "assemble-0"), FencedProducer(settings, "assemble-0")
    dead.publish([Keyed(settings.kafka_prefix + "profiles", 0, b"k", b'{"n":1}')])
    assert dead._producer is not None
    dead._producer.begin_transaction()
    dead._producer.produce(settings.kafka_prefix + "profiles", b'{"n":"half"}', b"k", 0)
    dead._producer.flush(10)
    owner.take_over()
    owner.publish([Keyed(settings.kafka_prefix + "profiles", 0, b"k", b'{"n":2}')])
    assert lines_of(settings, "profiles") == [b'{"n":1}', b'{"n":2}']
    owner.close()
    dead.close()


def test_a_message_that_kafka_would_not_take_says_so_and_stops_the_stage(settings: Settings) -> None:
    async def story(frames: FrameProducer) -> None:
        publisher = KafkaPublisher(settings, frames, "fold", 0)
        with pytest.raises(RapportError, match=r"longer than Kafka's topics take .* it begins"):
            await publisher.publish([Emit("cells", "p1", {"x": "y" * 4_300_000})])
        assemble = KafkaPublisher(settings, frames, "assemble", 0)
        with pytest.raises(RapportError, match=r"longer than Kafka's topics take .* it begins"):
            await assemble.publish([Emit("profiles", "p1", {"x": "y" * 4_300_000})])
        await assemble.close()
        await publisher.publish([Emit("cells", "p1", {"x": "y" * 3_000_000})])
        await publisher.close()

    told(settings, story)
    assert [len(line) for line in lines_of(settings, "cells")] == [3_000_008]
