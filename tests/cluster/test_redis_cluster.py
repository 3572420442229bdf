"""A Redis Cluster is recognised, and everything that lies in several slots is asked for there as well."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
import redis

from services.processor import Wakeup
from services.runtime.ports import Write
from services.runtime.redis import layout
from services.runtime.redis.about import About
from services.runtime.redis.connection import connect, connect_async
from services.runtime.redis.heartbeat import lost, slowest
from services.runtime.redis.layout import NOW
from services.runtime.redis.people import RedisRecords
from services.runtime.redis.state import RedisState
from services.runtime.settings import Settings
from tests.cluster.running import otherwise
from tests.contracts.state_stores import ClusterNode

PARTITIONS = 6


class Count(msgspec.Struct):
    count: int


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with otherwise("Redis"):
        node = ClusterNode(tmp_path_factory.mktemp("cluster"))
    yield Settings(redis=node.url, partitions=PARTITIONS)
    node.stop()


def test_workers_ask_for_many_partitions_at_once(cluster: Settings) -> None:
    async def story() -> None:
        client = connect_async(cluster)
        assert isinstance(client, redis.asyncio.RedisCluster)
        states = [RedisState(client, "fold", partition, Count) for partition in range(PARTITIONS)]
        for number, state in enumerate(states):
            token = (await state.load()).token
            await state.write(token, Write({"k": Count(number)}, {NOW: 10 - number}, [], []))
        assert await lost(client, states) == []
        assert await slowest(client, "fold", PARTITIONS) == 10 - PARTITIONS + 1
        await RedisState(client, "fold", 2, Count).load()
        assert await lost(client, states) == [states[2]]
        await client.aclose()

    asyncio.run(story())


def test_look_ups_and_what_is_shared(cluster: Settings) -> None:
    with connect(cluster) as client:
        assert isinstance(client, redis.RedisCluster)
        about = About(client)
        about.settle(PARTITIONS, 7)
        assert about.go_live({("main", "thanks"): "x"}, 5) == {("main", "thanks"): 5}
        client.zadd(layout.keys("rapport", "assemble", 4).wakeups, {layout.member(Wakeup(3, "p")): 3})
        assert about.in_force("x", 9, PARTITIONS) == 2
        client.hset(layout.keys("rapport", "rules", 4).records, "bounced", b"1")
        client.hset(layout.keys("rapport", "identity", 0).records, "known", b"2")
        records = RedisRecords(lambda: client, PARTITIONS)
        assert records.find([("rules", "bounced"), ("identity", "known"), ("assemble", "none")]) == [b"1", b"2", None]
