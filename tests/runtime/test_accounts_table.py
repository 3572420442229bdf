"""The table of accounts that workers with rules keep: what comes on the topic, and that nobody goes on without it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from schemas import fast
from schemas.fast import EMPTY, Profile
from services.automation.rules import Known
from services.errors import RapportError, Retry
from services.runtime.frames import StoredFrame
from services.runtime.kafka.reading import Chunk
from services.runtime.redis.state import RedisState
from services.runtime.settings import Settings
from services.runtime.workers import accounts
from services.runtime.workers.accounts import AccountsTable, RulesState

A, B = "p" + "a" * 32, "p" + "b" * 32


class Topic:
    """One partition of the topic, or what is wrong with it."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.wrong: list[Exception] = []
        self.opened = 0

    def open(self, *_: Any) -> "Topic":
        self.opened += 1
        return self

    def beginnings(self) -> dict[int, int]:
        if self.wrong:
            raise self.wrong.pop()
        return {0: 0}

    def ends(self) -> dict[int, int]:
        return {0: len(self.lines)}

    def read(self, _partition: int, start: int, _limit: int) -> Chunk:
        if self.wrong:
            raise self.wrong.pop()
        lines = self.lines[start:]
        return Chunk([StoredFrame(start + n, 1, 0, line) for n, line in enumerate(lines)], start + len(lines))

    def close(self) -> None:
        pass


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    topic = Topic()
    monkeypatch.setattr(accounts, "TopicReader", topic.open)
    monkeypatch.setattr(accounts, "IDLE", 0.005)
    return topic


def account(key: str, version: int) -> bytes:
    return fast.dumps(
        Profile(workspace="main", profile_id=key, version=version, traits=EMPTY, computed=EMPTY, consent=EMPTY)
    )


def table(changed: Callable[[Any], None] = lambda keys: None) -> AccountsTable:
    return AccountsTable(Settings(), changed)


def test_what_is_no_account_is_passed_over(topic: Topic) -> None:
    topic.lines = [account(A, 1), b"\xff", b'{"workspace":"\xff"}', b"[" * 5_000, account(A, 2)]

    async def story() -> None:
        kept = table()
        await kept.load()
        assert kept.find(A) == Known(2, topic.lines[-1])
        kept.close()
        await kept.ended

    asyncio.run(story())


def test_kafka_may_be_away_when_it_begins(topic: Topic) -> None:
    topic.wrong = [Retry("Kafka is away")]

    async def story() -> None:
        kept = table()
        await kept.load()
        assert topic.opened == 2
        kept.close()

    asyncio.run(story())


def test_what_ends_the_following_is_told_to_whoever_waits(topic: Topic) -> None:
    async def story() -> None:
        kept = table()
        await kept.load()
        topic.wrong = [RapportError("the topic is another one")]
        with pytest.raises(RapportError, match="another one"):
            async with asyncio.timeout(5):
                await kept.ended
        topic.wrong = [RapportError("the topic is another one")]
        with pytest.raises(RapportError, match="another one"):
            await table().load()

    asyncio.run(story())


def test_loading_ends_when_the_worker_is_stopped(topic: Topic) -> None:
    topic.wrong = [Retry("Kafka is away")] * 1_000

    async def story() -> None:
        kept = table()
        asyncio.get_running_loop().call_later(0.1, kept.close)
        async with asyncio.timeout(5):
            await kept.load()

    asyncio.run(story())


def test_an_account_that_changes_while_redis_answers_is_seen_as_it_is_now(topic: Topic, monkeypatch) -> None:
    async def story() -> None:
        kept = table()
        kept._keep(account(A, 1))

        async def get(_self: RedisState, _token: int, keys: list[str]) -> list[Any]:
            kept._keep(account(A, 2))
            kept._keep(account(B, 1))
            return [None for _ in keys]

        monkeypatch.setattr(RedisState, "get", get)
        state = RulesState(kept, None, "rules", 0, Known)  # type: ignore[arg-type]
        found = await state.get(1, [A, B, "person"])
        assert found == [Known(2, account(A, 2)), Known(1, account(B, 1)), None]

    asyncio.run(story())
