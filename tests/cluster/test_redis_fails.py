"""When Redis fails: what is written is whole or not there, and the errors say what to do."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import redis
from pydantic import SecretStr

from services.errors import Fenced, RapportError, Retry
from services.processor import Wakeup
from services.runtime.cluster.redis import Redis
from services.runtime.ports import Write
from services.runtime.redis.connection import connect, connect_async
from services.runtime.redis.heartbeat import lost
from services.runtime.redis.state import RedisState
from services.runtime.settings import Settings
from tests.cluster.running import running_redis

MANY = 300


class Count(msgspec.Struct):
    count: int


@asynccontextmanager
async def state_in(server: Redis, prefix: str) -> AsyncIterator[RedisState]:
    client = connect_async(Settings(redis=server.url))
    yield RedisState(client, "fold", 1, Count, prefix)
    await client.aclose()


def step(number: int) -> Write:
    """Everything in it says the number."""
    wakeups = [Wakeup(number, f"k{i}") for i in range(3)]
    return Write({f"k{i}": Count(number) for i in range(MANY)}, {"in": number}, wakeups, [])


def appended(folder: Path) -> Path:
    """The file that the server appends its writes to."""
    return next(folder.rglob("*.incr.aof"))


@pytest.mark.parametrize("seed", range(3))
def test_a_file_that_ends_anywhere_holds_whole_writes_only_and_its_writer_is_fenced(tmp_path: Path, seed: int) -> None:
    async def story(server: Redis) -> None:
        async with state_in(server, "t") as state:
            token = (await state.load()).token
            for number in range(1, 21):
                token = await state.write(token, step(number))
            server.process.kill()
            with pytest.raises(Retry, match="cannot be reached"):
                await state.get(token, ["k1"])
            file = appended(tmp_path)
            whole = file.read_bytes()
            file.write_bytes(whole[: random.Random(seed).randrange(len(whole) // 3, len(whole) - 1)])
            server.start()
            assert await lost(state._client, [state]) == [state]
            with pytest.raises(Fenced):
                await state.write(token, step(99))
            token, watermarks = await state.load()
            number = watermarks["in"]
            assert 1 <= number < 20
            assert await state.get(token, [f"k{i}" for i in range(MANY)]) == [Count(number)] * MANY
            assert await state.due(99, 99) == [Wakeup(n, f"k{i}") for n in range(1, number + 1) for i in range(3)]

    with running_redis(tmp_path) as server:
        asyncio.run(story(server))


def test_killed_in_the_midst_of_writes_it_has_all_that_was_acknowledged(own_redis: Redis) -> None:
    async def story() -> None:
        async with state_in(own_redis, "killed") as state:
            token, number = (await state.load()).token, 0

            async def kill() -> None:
                await asyncio.sleep(0.1)
                own_redis.process.kill()

            killing = asyncio.create_task(kill())
            with pytest.raises(Retry):
                while True:
                    token = await state.write(token, step(number + 1))
                    number += 1
            await killing
            own_redis.start()
            token, watermarks = await state.load()
            assert watermarks["in"] in (number, number + 1), "the last answer may have been lost on its way"
            found = await state.get(token, [f"k{i}" for i in range(MANY)])
            assert found == [Count(watermarks["in"])] * MANY

    asyncio.run(story())


def test_a_write_whose_answer_was_lost_may_come_again(own_redis: Redis) -> None:
    async def story() -> None:
        async with state_in(own_redis, "again") as state:
            token = await state.write((await state.load()).token, step(1))
            evalsha, calls = state._client.evalsha, []

            async def twice(*arguments: object) -> object:
                calls.append(await evalsha(*arguments))
                return await evalsha(*arguments)

            state._client.evalsha = twice  # type: ignore[method-assign, assignment]
            token = await state.write(token, step(2))
            assert calls == [1]
            assert await state.get(token, ["k1"]) == [Count(2)]

    asyncio.run(story())


def test_full_memory_refuses_a_write_as_a_whole_and_says_so(own_redis: Redis) -> None:
    async def story() -> None:
        async with state_in(own_redis, "full") as state:
            token = await state.write((await state.load()).token, step(1))
            await state._client.config_set("maxmemory", 1_000_000)
            try:
                with pytest.raises(Retry, match=r"has no memory left.*maxmemory"):
                    await state.write(token, Write(dict.fromkeys(["k1", "k2"]), {"in": 2}, [], [Wakeup(1, "k1")]))
            finally:
                await state._client.config_set("maxmemory", 0)
            assert await state.get(token, ["k1", "k2"]) == [Count(1)] * 2
            assert len(await state.due(9, 9)) == 3
            await state.write(token, step(2))

    asyncio.run(story())


def test_one_that_forgot_its_scripts_is_told_them_again(own_redis: Redis) -> None:
    async def story() -> None:
        async with state_in(own_redis, "forgot") as state:
            token = await state.write((await state.load()).token, step(1))
            await state._client.script_flush()
            await state.write(token, step(2))

    asyncio.run(story())


def test_nothing_listening_is_explained() -> None:
    with pytest.raises(Retry, match=r"cannot be reached: start it, or set RAPPORT_REDIS to where it is .*:1\b"):
        connect(Settings(redis="redis://127.0.0.1:1/0"))


def test_a_password_is_asked_for_and_neither_it_nor_a_wrong_one_is_told(own_redis: Redis) -> None:
    with redis.Redis.from_url(own_redis.url) as admin:
        admin.config_set("requirepass", "right-one")
        try:
            for given in (None, "wrong-one"):
                with pytest.raises(Retry, match="does not let us in: set RAPPORT_REDIS_PASSWORD") as refused:
                    connect(Settings(redis=own_redis.url, redis_password=SecretStr(given) if given else None))
                assert "-one" not in str(refused.value)
            connect(Settings(redis=own_redis.url, redis_password=SecretStr("right-one"))).close()
        finally:
            admin.config_set("requirepass", "")


def test_one_that_evicts_is_refused(own_redis: Redis) -> None:
    with redis.Redis.from_url(own_redis.url) as admin:
        admin.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with pytest.raises(RapportError, match=r"evicts keys .*allkeys-lru.*Set `maxmemory-policy noeviction`"):
                connect(Settings(redis=own_redis.url))
        finally:
            admin.config_set("maxmemory-policy", "noeviction")


def test_a_replica_is_refused_at_the_start_and_a_demoted_primary_later(own_redis: Redis) -> None:
    async def story() -> None:
        async with state_in(own_redis, "demoted") as state:
            token = (await state.load()).token
            await state._client.execute_command("REPLICAOF", "127.0.0.1", "1")
            try:
                with pytest.raises(Retry, match="is a replica"):
                    await state.write(token, step(1))
                with pytest.raises(Retry, match="is a replica"):
                    connect(Settings(redis=own_redis.url))
            finally:
                await state._client.execute_command("REPLICAOF", "NO", "ONE")
            await state.write(token, step(1))

    asyncio.run(story())
