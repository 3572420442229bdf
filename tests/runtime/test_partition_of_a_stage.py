"""A partition of a stage, and the stage around it, without Kafka and Redis: what they take up, and when, and what they
say of the time and of themselves."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from schemas import fast
from schemas.fast import Membership
from services.errors import Retry
from services.processor import Emit
from services.profile.definitions import Definitions
from services.profile.fold import Fold
from services.runtime.disk import Trouble
from services.runtime.handler import Handler
from services.runtime.memory import MemoryState
from services.runtime.redis.layout import NOW
from services.runtime.settings import Settings
from services.runtime.workers import engine
from services.runtime.workers.engine import Means, Stage
from services.runtime.workers.partition import LATE, Arrived, Partition
from tests.profile.profile_stages import touchpoint

LIVES = {"touchpoints": "x", "membership": "y"}


class State(MemoryState):
    """Counts who has taken it over, and may hang."""

    def __init__(self) -> None:
        super().__init__(Fold.record)
        self.taken, self.answers = 0, asyncio.Event()
        self.answers.set()

    async def load(self):
        await self.answers.wait()
        self.taken += 1
        return await super().load()

    async def touch(self, now: int) -> None:
        pass


class Nowhere:
    """Takes everything, or is away."""

    def __init__(self, away: bool = False):
        self.away = away

    async def take_over(self) -> None:
        if self.away:
            raise Retry("Kafka is away")

    async def publish(self, emits: Sequence[Emit]) -> None:
        pass

    async def close(self) -> None:
        pass


def part_of(state: State, publisher: Nowhere) -> Partition:
    handler = Handler(Fold(Definitions()), 0, state, publisher)
    return Partition(handler, state, publisher, LIVES, 100, lambda topic, offset: None, Trouble("test"))


def arrived(topic: str, offset: int, message: object) -> Arrived:
    return Arrived(topic, offset, 0, fast.dumps(message), lambda: None)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


def test_answers_to_other_partitions_do_not_say_how_far_this_one_has_come() -> None:
    async def story() -> None:
        state = State()
        part = part_of(state, Nowhere())
        await part.load()
        running = asyncio.create_task(part.run())
        answer = Membership(workspace="main", identifier="email:a@x.com", owner="p", version=1, at=900_000)
        await part.put(arrived("membership", 0, answer))
        await until(lambda: part.positions["membership"] == 1)
        assert NOW not in (await state.load()).watermarks, "no touchpoint has been handled"
        await part.put(arrived("touchpoints", 0, touchpoint("m1", "email:b@x.com", received_at=500_000)))
        await until(lambda: part.positions["touchpoints"] == 1)
        assert (await state.load()).watermarks[NOW] == 500_000 - LATE, "older touchpoints may still wait"
        part.stop()
        await running

    asyncio.run(story())


def test_who_is_cut_off_from_kafka_puts_nobody_out_of_the_state() -> None:
    async def story() -> None:
        state = State()
        with pytest.raises(Retry):
            await part_of(state, Nowhere(away=True)).load()
        assert not state.taken

    asyncio.run(story())


@pytest.mark.parametrize(("size", "most"), [(10, 256), (500_000, 5)])
def test_what_waits_is_bounded_and_a_partition_that_stops_keeps_nobody_waiting(size: int, most: int) -> None:
    """Else the consumer would hand nothing more to those partitions that stay."""

    async def story() -> None:
        part, taken = part_of(State(), Nowhere()), 0

        async def put() -> None:
            nonlocal taken
            for offset in range(1_000):
                await part.put(Arrived("touchpoints", offset, 0, b"x" * size, lambda: None))
                taken += not part._stopping.is_set()

        putting = asyncio.create_task(put())
        await asyncio.sleep(0.05)
        assert taken == most
        part.stop()
        async with asyncio.timeout(5):
            await putting

    asyncio.run(story())


def stage_of(states: Mapping[int, State], lives: Callable[[], Mapping[str, str]] = lambda: LIVES) -> Stage:
    async def none(_states: list[object]) -> list[object]:
        return []

    async def never() -> None:
        return None

    means = Means(lambda n: states[n], lambda n: Nowhere(), none, never, lambda: 0, lives)
    return Stage(Fold(Definitions()), LIVES, means, Settings(kafka="127.0.0.1:1"))


async def unchecked(_self: Stage, _positions: Mapping[TP, int]) -> None:
    """Kafka is not there to be asked."""


def test_a_state_that_hangs_is_taken_up_once_it_answers(monkeypatch) -> None:
    """Faust gives up when it waits for too long, and then reads nothing any more, for ever and in silence."""
    monkeypatch.setattr(engine, "TAKING", 0.05)
    monkeypatch.setattr(Stage, "_check", unchecked)

    async def story() -> None:
        states = {0: State(), 1: State()}
        states[1].answers.clear()
        stage = stage_of(states)
        assigned = {TP(topic, number) for topic in LIVES for number in states}
        async with asyncio.timeout(2):
            positions = await stage._positions(assigned)
        assert positions == {TP(topic, 0): 0 for topic in LIVES}
        states[1].answers.set()
        await until(lambda: stage._where(assigned) == dict.fromkeys(assigned, 0))
        await stage._let_go({0, 1})

    asyncio.run(story())


def test_a_stage_that_is_stopped_before_it_begins_does_not_begin() -> None:
    async def story() -> None:
        stage = stage_of({})
        stage.stop()
        async with asyncio.timeout(2):
            await stage.run()

    asyncio.run(story())


def test_a_stage_without_anything_to_do_is_well_again_when_kafka_is(monkeypatch) -> None:
    monkeypatch.setattr(engine, "BEAT", 0.01)
    away = [True]

    def lives() -> Mapping[str, str]:
        if away[0]:
            raise Retry("Kafka is away")
        return LIVES

    async def story() -> None:
        stage = stage_of({}, lives)
        beating = asyncio.create_task(stage._beats())
        await until(lambda: any("fails" in reason for reason in stage.reasons()))
        away[0] = False
        await until(lambda: not any("fails" in reason for reason in stage.reasons()))
        beating.cancel()

    asyncio.run(story())


def test_nothing_fires_before_the_workers_own_clock_however_far_ahead_a_collectors_is(monkeypatch) -> None:
    async def nothing(_self: Stage) -> Mapping[TP, int]:
        return {}

    async def far_ahead() -> int:
        return 900_000

    async def story() -> None:
        stage, fired = stage_of({}), list[int]()
        stage.name = "assemble"
        stage._means = stage._means._replace(slowest=far_ahead, clock=lambda: 500_000)
        part: Any = SimpleNamespace(number=0, fire=lambda until, after: fired.append(until))
        await stage._fire([part])
        assert fired == [500_000]

    monkeypatch.setattr(Stage, "_ends", nothing)
    asyncio.run(story())
