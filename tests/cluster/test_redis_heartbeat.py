"""Which partitions a worker has lost, and how far a stage has come, in one round trip."""

import asyncio
import uuid

import msgspec
import pytest
from redis import asyncio as redis

from services.errors import Fenced
from services.runtime.ports import Write
from services.runtime.redis.heartbeat import lost, slowest
from services.runtime.redis.layout import NOW
from services.runtime.redis.state import RedisState


class Count(msgspec.Struct):
    count: int


class Workers:
    """Stages of one installation, all on one client."""

    def __init__(self, client: redis.Redis):
        self.client, self.prefix = client, f"test-{uuid.uuid4().hex[:12]}"

    def state(self, partition: int, stage: str = "fold") -> RedisState:
        return RedisState(self.client, stage, partition, Count, self.prefix)

    async def slowest(self, partitions: int) -> int | None:
        return await slowest(self.client, "fold", partitions, self.prefix)


def told(url: str, story) -> None:
    async def whole() -> None:
        async with redis.Redis.from_url(url) as client:
            workers = Workers(client)
            await story(workers)
            await client.delete(*[key async for key in client.scan_iter(f"{workers.prefix}:*", count=1_000)])

    asyncio.run(whole())


def test_only_what_others_took_over_is_lost(redis_server) -> None:
    async def story(workers: Workers) -> None:
        mine = [workers.state(partition) for partition in range(4)]
        for state in mine[:3]:
            await state.load()
        assert await lost(workers.client, mine) == [], "what was never loaded cannot be lost"
        await workers.state(1).load()
        await workers.state(1, "assemble").load()
        assert await lost(workers.client, mine) == [mine[1]]
        await workers.client.delete(mine[2].keys.meta)
        assert await lost(workers.client, mine) == [mine[1], mine[2]], "a store that was emptied"
        await mine[1].load()
        await mine[2].load()
        assert await lost(workers.client, mine) == []
        assert await lost(workers.client, []) == []

    told(redis_server.url, story)


def test_who_is_writing_meanwhile_has_lost_nothing(redis_server) -> None:
    async def story(workers: Workers) -> None:
        state = workers.state(0)
        token = (await state.load()).token

        async def write() -> None:
            nonlocal token
            for number in range(200):
                token = await state.write(token, Write({"k": Count(number)}, {}, [], []))

        writing = asyncio.create_task(write())
        while not writing.done():
            assert await lost(workers.client, [state]) == []
        await writing

    told(redis_server.url, story)


def test_a_stage_is_as_far_as_its_slowest_partition(redis_server) -> None:
    async def story(workers: Workers) -> None:
        states = [workers.state(partition) for partition in range(3)]
        for number, state in enumerate(states):
            assert await workers.slowest(3) is None
            token = (await state.load()).token
            await state.write(token, Write({}, {"touchpoints@x": 7, NOW: 100 + number}, [], []))
        assert await workers.slowest(3) == 100
        await states[0].touch(150)
        assert await workers.slowest(3) == 101
        assert await workers.slowest(4) is None, "one has never said"
        assert (await states[0].load()).watermarks == {"touchpoints@x": 7, NOW: 150}

    told(redis_server.url, story)


def test_saying_how_far_one_is_keeps_the_token_and_is_fenced(redis_server) -> None:
    async def story(workers: Workers) -> None:
        former, owner = workers.state(0), workers.state(0)
        await former.load()
        token = (await owner.load()).token
        with pytest.raises(Fenced):
            await former.touch(999)
        await owner.touch(5)
        assert await owner.get(token, ["k"]) == [None]
        assert await workers.slowest(1) == 5

    told(redis_server.url, story)
