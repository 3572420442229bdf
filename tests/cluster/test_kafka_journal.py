"""Collectors on Kafka: what was answered is there, whatever happens to the broker; what waits is bounded."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress

import pytest

from schemas.identifiers import profile_id
from services.errors import RapportError, Retry
from services.processor import Emit
from services.runtime.cluster.kafka import Kafka
from services.runtime.kafka import fenced, producer
from services.runtime.kafka import journal as journals
from services.runtime.kafka.framing import LONGEST
from services.runtime.kafka.journal import KafkaJournal
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import FrameProducer
from services.runtime.kafka.publisher import KafkaPublisher
from services.runtime.kafka.reading import TopicReader
from services.runtime.settings import Settings
from tests.cluster.installed import frames_of, installed, lines_of

EVENT = 32 * 1024


@pytest.fixture
def settings(own_kafka: Kafka) -> Iterator[Settings]:
    with installed(own_kafka.address) as made:
        yield made


def line(n: int) -> bytes:
    return b'{"workspace":"main","anchor":"user_id:%d","n":%d}' % (n % 97, n)


async def answered_until_stopped(journal: KafkaJournal, answered: set[bytes], stop: asyncio.Event, first: int) -> None:
    """A client: one event after the other, each again until it is accepted."""
    n = first
    while not stop.is_set():
        try:
            await journal.append([line(n)], [])
        except Retry as error:
            assert error.after > 0
            await asyncio.sleep(0.05)
            continue
        answered.add(line(n))
        n += 1


async def at_least(answered: set[bytes], count: int) -> None:
    async with asyncio.timeout(30):
        while len(answered) < count:
            await asyncio.sleep(0.05)


def test_what_was_answered_is_there_after_the_broker_was_killed_under_load(
    settings: Settings, own_kafka: Kafka
) -> None:
    async def story() -> set[bytes]:
        journal, answered, stop = KafkaJournal(settings, EVENT), set[bytes](), asyncio.Event()
        clients = [asyncio.create_task(answered_until_stopped(journal, answered, stop, n * 10**6)) for n in range(30)]
        broker = own_kafka.brokers[0]
        await at_least(answered, 200)
        broker.process.kill()
        await asyncio.to_thread(broker.restart)
        await at_least(answered, len(answered) + 200)
        stop.set()
        await asyncio.gather(*clients)
        await journal.close()
        return answered

    answered = asyncio.run(story())
    found = lines_of(settings, "touchpoints")
    assert answered <= set(found)
    for partition, some in frames_of(settings, "touchpoints").items():
        assert [one.offset for one in some] == list(range(len(some)))  # no gaps: that is what stages rely on
        for one in some:
            assert {
                partition_of(profile_id("main", f"user_id:{int(text.split(b':')[-1][:-1]) % 97}"), 2)
                for text in one.body.split(b"\n")
            } == {partition}


async def collectors(settings: Settings) -> AsyncIterator[None]:
    """Before Kafka goes, while it is away, and when it is back."""
    long = b'{"workspace":"main","anchor":"user_id:1","x":"%s"}' % (b"x" * 20_000)
    journal = KafkaJournal(settings, EVENT)
    await journal.append([line(1)], [])
    yield
    began = time.monotonic()
    results = await asyncio.gather(*(journal.append([long], []) for _ in range(20)), return_exceptions=True)
    assert [type(one) for one in results] == [Retry] * 20
    assert sum("too much" in str(one) for one in results) == 15  # the others are what fits
    assert time.monotonic() - began < 10
    probe = asyncio.create_task(journal.append([line(2)], []))  # one at a time looks whether Kafka is back
    await asyncio.sleep(0.05)
    with pytest.raises(Retry, match="away"):
        await journal.append([line(3)], [])
    with pytest.raises(Retry):
        await probe
    yield
    await accepted(lambda: journal.append([line(4)], []))
    await asyncio.gather(*(journal.append([line(n)], []) for n in range(5, 50)))
    await journal.close()


async def stages(settings: Settings) -> AsyncIterator[None]:
    """The same for those who publish and read."""
    emits = [Emit("profiles", "p1", {"n": 1}), Emit("causes", "p1", {"n": 1})]
    frames, reader = FrameProducer(settings), TopicReader(settings, "profiles", "test")
    publisher = KafkaPublisher(settings, frames, "assemble", 0)
    await publisher.publish(emits)
    yield
    for some in (emits, emits, emits[1:]):
        with pytest.raises(Retry):
            await publisher.publish(some)
    with pytest.raises(Retry, match="cannot be read"):
        await asyncio.to_thread(read_until, reader, b"never")
    yield
    await accepted(lambda: publisher.publish([Emit("profiles", "p1", {"n": 2})]))
    await asyncio.to_thread(read_until, reader, b'{"n":2}')
    for closing in (publisher, frames):
        await closing.close()
    reader.close()


async def accepted(again: Callable[[], Awaitable[None]]) -> None:
    """Try again until it works, for a while."""
    async with asyncio.timeout(30):
        while True:
            with suppress(Retry):
                return await again()
            await asyncio.sleep(0.1)


def read_until(reader: TopicReader, wanted: bytes) -> None:
    """Read the partition of p1 until this comes, for 20 s."""
    at, partition, deadline = 0, partition_of("p1", 2), time.monotonic() + 20
    while time.monotonic() < deadline:
        chunk = reader.read(partition, at, 10, 0.2)
        if wanted in (one.body for one in chunk.frames):
            return
        at = chunk.next
    raise AssertionError(f"{wanted!r} did not come")


def test_while_kafka_is_away_nothing_is_answered_and_what_waits_is_bounded_and_then_all_goes_on(
    settings: Settings, own_kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (producer, fenced):
        monkeypatch.setattr(module, "WITHIN", 1.5)
    monkeypatch.setattr(journals, "MOST_WAITING", 100_000)

    async def story() -> None:
        told = [collectors(settings), stages(settings)]
        await asyncio.gather(*(anext(one) for one in told))
        own_kafka.brokers[0].process.kill()
        await asyncio.gather(*(anext(one) for one in told))
        await asyncio.to_thread(own_kafka.brokers[0].restart)
        await asyncio.gather(*(anext(one, None) for one in told))

    asyncio.run(story())
    assert {line(n) for n in (1, 4, *range(5, 50))} <= set(lines_of(settings, "touchpoints"))
    found = lines_of(settings, "profiles")
    assert found[0] == b'{"n":1}' and found[-1] == b'{"n":2}' and b'{"n":1}' in lines_of(settings, "causes")


def test_requests_of_a_busy_moment_share_frames(settings: Settings) -> None:
    async def story() -> None:
        journal = KafkaJournal(settings, EVENT)
        await asyncio.gather(*(journal.append([line(n)], []) for n in range(1_000)))
        await journal.close()

    asyncio.run(story())
    frames = [one for some in frames_of(settings, "touchpoints").values() for one in some]
    assert sum(one.count for one in frames) == 1_000 and len(frames) <= 4


def test_an_event_may_be_no_longer_than_a_message_can_hold(settings: Settings) -> None:
    with pytest.raises(RapportError, match=r"limits\.event_bytes"):
        KafkaJournal(settings, LONGEST)
