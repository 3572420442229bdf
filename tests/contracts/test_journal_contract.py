"""The collectors' way onto the log, over both logs: durable before it returns, in order, nothing lost or doubled."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.runtime import frames
from services.runtime.journal import Journal
from services.runtime.kafka.journal import KafkaJournal
from tests.cluster.installed import installed, lines_of

Opened = tuple[Callable[[], Any], Callable[[str], list[bytes]]]


def in_a_file(folder: Path) -> Opened:
    """How to open the embedded log, and how to read all lines of a topic."""

    def read(topic: str) -> list[bytes]:
        found = frames.read(frames.open_reader(folder / "log.db"), topic, 0, 10**6)
        return [line for one in found for line in one.body.split(b"\n")]

    return lambda: Journal(folder / "log.db", clock=lambda: 1_000), read


@pytest.fixture(params=["sqlite", "kafka"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    if request.param == "sqlite":
        yield in_a_file(tmp_path)
        return
    with installed(request.getfixturevalue("kafka").address) as settings:
        yield lambda: KafkaJournal(settings, 32 * 1024), lambda topic: lines_of(settings, topic)


async def closed(journal: Any) -> None:
    done = journal.close()
    if done is not None:
        await done


def touchpoint(person: int, n: int) -> bytes:
    return b'{"workspace":"main","anchor":"user_id:%d","n":%d}' % (person, n)


def rejected(n: int) -> bytes:
    return b'{"source":"web-%d","n":%d}' % (n % 3, n)


def test_everything_is_there_when_a_request_returns(log: Opened) -> None:
    open_log, read = log

    async def story() -> None:
        journal = open_log()
        for n in range(3):
            await journal.append([touchpoint(n, n)], [rejected(n)])
            assert touchpoint(n, n) in read("touchpoints") and rejected(n) in read("rejected")
        await journal.append([], [])
        await journal.put({"commands": [b'{"command":"resend"}']})
        assert read("commands") == [b'{"command":"resend"}']
        await closed(journal)

    asyncio.run(story())


def test_many_requests_at_once_are_all_there_and_each_person_keeps_its_order(log: Opened) -> None:
    open_log, read = log

    async def person(journal: Any, who: int) -> None:
        for n in range(0, 30, 3):
            await journal.append([touchpoint(who, n + at) for at in range(3)], [rejected(who * 100 + n)])

    async def story() -> None:
        journal = open_log()
        await asyncio.gather(*(person(journal, who) for who in range(20)))
        await closed(journal)

    asyncio.run(story())
    found = read("touchpoints")
    assert Counter(found) == Counter(touchpoint(who, n) for who in range(20) for n in range(30))
    for who in range(20):
        mine = [line for line in found if b'"user_id:%d"' % who in line]
        assert mine == [touchpoint(who, n) for n in range(30)]
    assert len(read("rejected")) == len(set(read("rejected"))) == 200


def test_a_log_that_is_opened_again_goes_on(log: Opened) -> None:
    open_log, read = log

    async def story(n: int) -> None:
        journal = open_log()
        await journal.append([touchpoint(1, n)], [])
        await closed(journal)

    for n in range(3):
        asyncio.run(story(n))
    assert read("touchpoints") == [touchpoint(1, n) for n in range(3)]
