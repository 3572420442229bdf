"""One suite for the State port, over every adapter."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from services.errors import Fenced
from services.processor import Wakeup
from services.runtime.memory import MemoryState
from services.runtime.ports import State, Write
from services.runtime.sqlite_state import SqliteState, StateFile


class Note(msgspec.Struct, tag=True):
    text: str


class Tally(msgspec.Struct, tag=True):
    count: int


Record = Note | Tally


class Durable:
    """A store that can be reopened: `open` gives the state as it was last made durable."""

    def open(self) -> State:
        raise NotImplementedError

    def commit(self) -> None:
        """Make what was written durable."""


class InMemory(Durable):
    def __init__(self, _: Path):
        self.state = MemoryState(Record)

    def open(self) -> State:
        return self.state


class InSqlite(Durable):
    def __init__(self, folder: Path):
        self.path, self.states = folder / "state.db", []

    def open(self) -> State:
        file = StateFile(self.path, ["stage"])
        self.states.append((file, SqliteState(file, "stage", Record)))
        return self.states[-1][1]

    def commit(self) -> None:
        file, state = self.states[-1]
        file.begin()
        state.flush()
        file.db.execute("COMMIT")


@pytest.fixture(params=[InMemory, InSqlite])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Durable:
    return request.param(tmp_path)


def write(records=(), watermarks=(), wakeups=(), fired=()) -> Write:
    return Write(dict(records), dict(watermarks), list(wakeups), list(fired))


def test_a_new_stage_stands_at_the_beginning_with_nothing_kept(store: Durable) -> None:
    async def story() -> None:
        state = store.open()
        token, watermarks = await state.load()
        assert watermarks == {}
        assert await state.get(token, ["a", "b"]) == [None, None]
        assert await state.due(10**15, 10) == []

    asyncio.run(story())


def test_what_was_written_is_read_in_the_order_asked_for_and_survives_reopening(store: Durable) -> None:
    async def story() -> None:
        state = store.open()
        token = (await state.load()).token
        token = await state.write(token, write({"a": Note("one"), "b": Tally(2)}, {"in": 7}))
        assert await state.get(token, ["b", "x", "a"]) == [Tally(2), None, Note("one")]
        token = await state.write(token, write({"a": None, "b": Tally(3)}, {"other": 1}))
        assert await state.get(token, ["a", "b"]) == [None, Tally(3)]
        store.commit()
        again = store.open()
        token, watermarks = await again.load()
        assert watermarks == {"in": 7, "other": 1}
        assert await again.get(token, ["a", "b"]) == [None, Tally(3)]

    asyncio.run(story())


def test_wakeups_come_by_due_then_key_and_are_gone_once_fired(store: Durable) -> None:
    async def story() -> None:
        state = store.open()
        token = (await state.load()).token
        token = await state.write(
            token, write(wakeups=[Wakeup(5, "b"), Wakeup(5, "a"), Wakeup(3, "z"), Wakeup(9, "q")])
        )
        assert await state.due(5, 10) == [Wakeup(3, "z"), Wakeup(5, "a"), Wakeup(5, "b")]
        assert await state.due(5, 1) == [Wakeup(3, "z")]
        token = await state.write(token, write(fired=[Wakeup(3, "z"), Wakeup(5, "a")], wakeups=[Wakeup(5, "a")]))
        assert await state.due(9, 10) == [Wakeup(5, "a"), Wakeup(5, "b"), Wakeup(9, "q")]

    asyncio.run(story())


def test_a_zombie_can_neither_read_nor_write(store: Durable) -> None:
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
                await zombie.write(stale, write({"a": Note("from the grave")}))
        assert old != token != mine
        assert await owner.get(token, ["a"]) == [Note("second life")]

    asyncio.run(story())
