"""One suite for the State port, over every adapter."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import asyncio as redis

from services.errors import Fenced
from services.processor import Wakeup
from services.runtime.ports import Write
from tests.contracts.state_stores import ClusterNode, InMemory, InRedis, InSqlite, Note, Store, Tally

EVERY = ["memory", "sqlite", "redis", "redis cluster"]
FORGETFUL = ["memory", "redis", "redis cluster"]  # a store that may lose what it has said to have written

A_WRITE = st.tuples(
    st.dictionaries(st.sampled_from("abcdef"), st.one_of(st.none(), st.integers(0, 9)), max_size=4),
    st.dictionaries(st.sampled_from(["in", "other@3"]), st.integers(0, 2**53), max_size=2),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from("xyz/é")), max_size=3),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from("xyz/é")), max_size=3),
)


@pytest.fixture(scope="module")
def cluster_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterNode]:
    node = ClusterNode(tmp_path_factory.mktemp("cluster"))
    yield node
    node.stop()


@pytest.fixture
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Makes an empty store of the kind that the test names."""
    kind = request.param
    if kind == "memory":
        return InMemory
    if kind == "sqlite":
        return lambda: InSqlite(tmp_path)
    url = request.getfixturevalue("redis_server" if kind == "redis" else "cluster_node").url
    client: Any = redis.Redis if kind == "redis" else redis.RedisCluster
    return lambda: InRedis(lambda: client.from_url(url))


def over(kinds: Sequence[str]) -> Any:
    """The test runs with a store of each of these kinds."""
    return pytest.mark.parametrize("new", kinds, indirect=True)


def write(records=(), watermarks=(), wakeups=(), fired=()) -> Write:
    return Write(dict(records), dict(watermarks), list(wakeups), list(fired))


@over(EVERY)
def test_a_new_stage_stands_at_the_beginning_with_nothing_kept(new: Callable[[], Store]) -> None:
    store = new()

    async def story() -> None:
        state = store.open()
        token, watermarks = await state.load()
        assert watermarks == {}
        assert await state.get(token, ["a", "b"]) == [None, None]
        assert await state.get(token, []) == []
        assert await state.due(10**15, 10) == []

    store.run(story())


@over(EVERY)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=st.lists(A_WRITE, max_size=6))
def test_any_writes_leave_what_they_would_leave_in_a_dictionary(new: Callable[[], Store], writes: Any) -> None:
    store = new()

    async def story() -> None:
        state, records, watermarks, wakeups = store.open(), dict[str, Any](), dict[str, int](), set[Wakeup]()
        token = (await state.load()).token
        for puts, marks, fired, due in writes:
            changed = {key: None if count is None else Tally(count) for key, count in puts.items()}
            gone, come = [Wakeup(*one) for one in fired], [Wakeup(*one) for one in due]
            token = await state.write(token, Write(changed, marks, come, gone))
            records, watermarks = records | changed, watermarks | marks
            wakeups = (wakeups - set(gone)) | set(come)
            assert await state.get(token, list("fedcba")) == [records.get(key) for key in "fedcba"]
            assert await state.due(3, 100) == sorted(one for one in wakeups if one.due <= 3)
        store.commit()
        again = store.open()
        token, found = await again.load()
        assert found == watermarks
        assert await again.get(token, list("abcdef")) == [records.get(key) for key in "abcdef"]
        assert await again.due(10**15, 100) == sorted(wakeups)

    store.run(story())


@over(EVERY)
def test_wakeups_come_by_due_then_key_and_are_gone_once_fired(new: Callable[[], Store]) -> None:
    store = new()

    async def story() -> None:
        state = store.open()
        token = (await state.load()).token
        token = await state.write(
            token, write(wakeups=[Wakeup(5, "b"), Wakeup(5, "a"), Wakeup(3, "z"), Wakeup(9, "q"), Wakeup(10, "a")])
        )
        assert await state.due(5, 10) == [Wakeup(3, "z"), Wakeup(5, "a"), Wakeup(5, "b")]
        assert await state.due(5, 1) == [Wakeup(3, "z")]
        token = await state.write(token, write(fired=[Wakeup(3, "z"), Wakeup(5, "a")], wakeups=[Wakeup(5, "a")]))
        assert await state.due(10, 10) == [Wakeup(5, "a"), Wakeup(5, "b"), Wakeup(9, "q"), Wakeup(10, "a")]

    store.run(story())


@over(EVERY)
def test_a_write_may_be_large_in_every_way(new: Callable[[], Store]) -> None:
    store, many, big = new(), 5_001, "ü" * 2_000_000

    async def story() -> None:
        state = store.open()
        token = (await state.load()).token
        records = {f"k{n}": Tally(n) for n in range(many)}
        wakeups = [Wakeup(n % 3, f"k{n:05}") for n in range(many)]
        token = await state.write(token, write(records | {"big": Note(big)}, {"in": many}, wakeups))
        assert await state.get(token, [*records, "big"]) == [*records.values(), Note(big)]
        assert await state.due(2, many) == sorted(wakeups)
        gone = dict.fromkeys(records)
        token = await state.write(token, write(gone, fired=wakeups[1:]))
        assert await state.get(token, ["k0", f"k{many - 1}", "big"]) == [None, None, Note(big)]
        assert await state.due(2, many) == wakeups[:1]

    store.run(story())


@over(EVERY)
def test_a_zombie_can_neither_read_nor_write(new: Callable[[], Store]) -> None:
    store = new()

    async def story() -> None:
        zombie = store.open()
        old = (await zombie.load()).token
        mine = await zombie.write(old, write({"a": Note("first life")}))
        store.commit()
        owner = store.open()
        token = (await owner.load()).token
        token = await owner.write(token, write({"a": Note("second life")}))
        store.commit()
        for stale in (old, mine):
            with pytest.raises(Fenced):
                await zombie.get(stale, ["a"])
            with pytest.raises(Fenced):
                await zombie.write(stale, write({"a": Note("from the grave")}, {"in": 9}, [Wakeup(1, "w")]))
        assert old != token != mine
        assert await owner.get(token, ["a"]) == [Note("second life")]
        assert await owner.due(9, 9) == []

    store.run(story())


@over([kind for kind in EVERY if kind != "memory"])
def test_who_loads_is_the_owner_at_once(new: Callable[[], Store]) -> None:
    store = new()

    async def story() -> None:
        former = store.open()
        token = (await former.load()).token
        await store.open().load()
        with pytest.raises(Fenced):
            await former.get(token, ["a"])
        with pytest.raises(Fenced):
            await former.write(token, write())

    store.run(story())


@over(FORGETFUL)
def test_whose_last_writes_were_lost_is_fenced_and_no_token_comes_twice(new: Callable[[], Store]) -> None:
    store = new()

    async def story() -> None:
        state = store.open()
        token = (await state.load()).token
        kept = await state.write(token, write({"a": Tally(1)}, {"in": 1}, [Wakeup(1, "w")]))
        await store.note()
        seen = {token, kept}
        for life in range(3):
            token = await state.write(kept, write({"a": Tally(2 + life), "b": Tally(0)}, {"in": 2}, [Wakeup(2, "w")]))
            await store.lose(1)
            with pytest.raises(Fenced):
                await state.get(token, ["a"])
            with pytest.raises(Fenced):
                await state.write(token, write({"a": Tally(99)}))
            assert token not in seen
            seen.add(token)
        token, watermarks = await state.load()
        assert watermarks == {"in": 1}
        assert await state.get(token, ["a", "b"]) == [Tally(1), None]
        assert await state.due(9, 9) == [Wakeup(1, "w")]

    store.run(story())
