"""People, accounts and bounced addresses are the same in Redis as in the state file that they were copied from."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import redis

from schemas.identifiers import profile_id
from services.automation.bounces import Bounced, bounced_key
from services.errors import Rejected, Retry
from services.identifiers import DEFAULT_RULES
from services.pipeline import STAGES
from services.runtime.followups.bounces import BouncedAddresses
from services.runtime.kafka.partitions import partition_of
from services.runtime.ports import Records
from services.runtime.profiles import ProfileReader
from services.runtime.redis import layout
from services.runtime.redis.connection import connect
from services.runtime.redis.people import RedisRecords
from services.runtime.settings import Settings
from services.runtime.sqlite_records import SqliteRecords
from tests.streams.stream_platform import DEFINITIONS, World, touchpoint

PARTITIONS = 5
IDENTIFIERS = [f"email:p{n}@example.com" for n in range(12)] + [f"anonymous_id:a{n}" for n in range(12)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Twelve people, some of whom turn out to be one; an account; one address that bounced."""
    world = World(tmp_path)
    for n in range(12):
        world.receive(touchpoint(n, f"email:p{n}@example.com", f"anonymous_id:a{n}", group=f"g{n % 2}"))
    for n in range(0, 6, 2):
        world.receive(touchpoint(100 + n, f"anonymous_id:a{n}", f"anonymous_id:b{n}"))
        world.receive(touchpoint(200 + n, f"email:p{n}@example.com", f"anonymous_id:b{n}", f"anonymous_id:a{n + 1}"))
    key, value = bounced_key("main", "gone@example.com"), msgspec.msgpack.encode(Bounced(1, "m"))
    world.file.db.execute("INSERT INTO records_rules VALUES (?, ?)", (key, value))
    yield world
    world.close()


@pytest.fixture
def prefix(world: World, redis_server) -> Iterator[str]:
    """The records of that world where workers would have put them."""
    found, pipes = f"test-{uuid.uuid4().hex[:12]}", redis.Redis.from_url(redis_server.url)
    for stage in STAGES:
        for key, value in world.file.db.execute(f"SELECT key, value FROM records_{stage}"):
            partition = 0 if stage == "identity" else partition_of(key, PARTITIONS)
            if stage == "rules":
                partition = 3  # wherever the person was who had the address
            pipes.hset(layout.keys(found, stage, partition).records, key, value)
    yield found
    pipes.delete(*pipes.scan_iter(f"{found}:*", count=1_000))
    pipes.close()


def reader(records: Records) -> ProfileReader:
    return ProfileReader(records, DEFAULT_RULES, DEFINITIONS, lambda: 10**9)


def test_every_answer_is_the_same(world: World, prefix: str, redis_server) -> None:
    files = SqliteRecords(world.path)
    ours = RedisRecords(lambda: connect(Settings(redis=redis_server.url)), PARTITIONS, prefix)
    one, other = reader(files), reader(ours)
    found = 0
    for identifier in IDENTIFIERS:
        for workspace in ("main", "elsewhere"):
            assert one.of(workspace, identifier) == other.of(workspace, identifier)
        assert one.get("main", profile_id("main", identifier)) == other.get("main", profile_id("main", identifier))
        found += other.of("main", identifier) is not None
    assert found == len(IDENTIFIERS)
    merged = {person.profile_id for name in IDENTIFIERS if (person := other.of("main", name))}
    assert len(merged) < 12, "somebody was looked up by an id that is another's now"
    assert [one.account("main", g) for g in ("g0", "g1", "g2")] == [
        other.account("main", g) for g in ("g0", "g1", "g2")
    ]
    assert other.account("main", "g0") is not None
    for records in (files, ours):
        bounced = BouncedAddresses(records)
        assert bounced("main", "Gone@Example.com")
        assert not bounced("main", "p1@example.com")
        assert not bounced("elsewhere", "gone@example.com")
    with pytest.raises(Rejected):
        other.find("main", "email", "nobody")


def test_documents_are_of_the_generation_that_redis_has(world: World, prefix: str, redis_server) -> None:
    ours = RedisRecords(lambda: connect(Settings(redis=redis_server.url)), PARTITIONS, prefix)
    assert ours.generation() == 0
    before = reader(ours).of("main", IDENTIFIERS[0])
    with redis.Redis.from_url(redis_server.url) as client:
        client.hset(layout.about(prefix), "generation", 2)
    after = reader(ours).of("main", IDENTIFIERS[0])
    assert before and after and after.version - before.version == 2 * 2**40
    assert ours.generation() == 2


def test_without_redis_it_is_to_be_asked_again_later() -> None:
    ours = RedisRecords(lambda: connect(Settings(redis="redis://127.0.0.1:1/0")), PARTITIONS)
    with pytest.raises(Retry, match="cannot be reached"):
        reader(ours).of("main", IDENTIFIERS[0])
