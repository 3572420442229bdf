"""The handler's four steps: a crash between any two of them loses nothing and doubles nothing that counts."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from services.errors import Fenced
from services.processor import WAKEUPS, Emit, Frame, Outcome, Wakeup
from services.runtime.handler import Handler, RecordCache
from services.runtime.memory import MemoryLog, MemoryState
from services.runtime.ports import Write


class Tally(msgspec.Struct):
    """How often a word came, and its echo."""

    count: int = 0
    fired: int = 0


class CountWords:
    """A toy stage: counts words, publishes a versioned snapshot of each count, wakes up at the instant 100."""

    name, inputs, record = "count", ("words",), Tally

    def wants(self, frame: Frame, have: Mapping[str, Any]) -> list[str]:
        return [m.key if frame.topic == WAKEUPS else m for m in frame.messages]

    def decide(self, frame: Frame, records: Mapping[str, Any]) -> Outcome:
        changed: dict[str, Any] = {}
        emits, wakeups = [], []
        for message in frame.messages:
            key = message.key if frame.topic == WAKEUPS else message
            tally = changed[key] = changed.get(key) or records[key] or Tally()
            if frame.topic == WAKEUPS:
                tally.fired += 1
                continue
            tally.count += 1
            emits.append(Emit("counts", key, (key, tally.count)))
            wakeups.append(Wakeup(100, key))
        return Outcome(changed, emits, wakeups)


class Crash(Exception):
    """The process ends here."""


class Faulty:
    """A publisher and state in one, which crashes at its n-th step, before it happens or after."""

    def __init__(self, log: MemoryLog, state: MemoryState, at: int, after: bool):
        self.log, self.state, self.left, self.after = log, state, at, after
        self.load, self.due = state.load, state.due

    async def _step(self, work: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            work.close()
            raise Crash
        result = await work
        if self.left == 0:
            raise Crash
        return result

    async def get(self, token: int, keys: Sequence[str]) -> Any:
        return await self._step(self.state.get(token, keys))

    async def publish(self, emits: Sequence[Emit]) -> None:
        for emit in emits:
            await self._step(self.log.publish([emit]))

    async def write(self, token: int, write: Write) -> int:
        return int(await self._step(self.state.write(token, write)))


WORDS = ["a", "b", "a", "a", "c", "b", "a"]


async def run_with_crash(at: int, after: bool, cut: int) -> tuple[bool, MemoryLog, MemoryState]:
    log, state = MemoryLog(lambda topic, key: 0), MemoryState(Tally)
    log.topics["words", 0] = list(WORDS)
    faulty: Any = Faulty(log, state, at, after)
    lives = 0
    while True:
        lives += 1
        handler = Handler(CountWords(), 0, faulty, faulty, cache=2)
        await handler.load()
        try:
            while frame := log.read("words", 0, handler.watermarks.get("words", 0), cut, now=1):
                await handler.handle(frame, {"words": frame.positions[-1][0] + 1})
            await handler.fire(100)
            return lives > 1, log, state
        except Crash:
            continue


@pytest.mark.parametrize("cut", [1, 3, 7])
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_step_changes_no_count_and_no_highest_snapshot(cut: int, after: bool) -> None:
    at, crashes = 0, 0
    while True:
        at += 1
        crashed, log, state = asyncio.run(run_with_crash(at, after, cut))
        assert {k: (t.count, t.fired) for k, t in state.records().items()} == {"a": (4, 1), "b": (2, 1), "c": (1, 1)}
        newest: dict[str, int] = {}
        for word, count in log.topics["counts", 0]:
            newest[word] = max(count, newest.get(word, 0))
        assert newest == {"a": 4, "b": 2, "c": 1}
        if not crashed:
            break
        crashes += 1
    assert crashes >= len(WORDS) // cut + len(WORDS)  # every publish and every write was hit


def test_a_handler_that_lost_its_fence_throws_its_caches_away_and_can_load_again() -> None:
    async def story() -> None:
        log, state = MemoryLog(lambda topic, key: 0), MemoryState(Tally)
        first, second = (Handler(CountWords(), 0, state, log) for _ in range(2))
        await first.load()
        await second.load()
        await first.handle(Frame("words", 0, ["a"], 1), {"words": 1})
        with pytest.raises(Fenced):
            await second.handle(Frame("words", 0, ["a"], 1), {"words": 1})
        await second.load()
        assert second.watermarks == {"words": 1}
        await second.handle(Frame("words", 0, ["a"], 1), {"words": 2})
        assert state.records()["a"].count == 2

    asyncio.run(story())


def test_wakeups_of_one_instant_fire_together_and_later_ones_wait() -> None:
    async def story() -> None:
        log, state = MemoryLog(lambda topic, key: 0), MemoryState(Tally)
        handler = Handler(CountWords(), 0, state, log)
        await handler.load()
        await handler.handle(Frame("words", 0, ["a", "b"], 1), {"words": 2})
        assert await handler.fire(99) == 0
        assert await handler.fire(100) == 2
        assert await handler.fire(100) == 0

    asyncio.run(story())


def test_the_cache_is_bounded_and_keeps_what_was_used_last() -> None:
    cache = RecordCache(10)
    for n in range(1_000):
        cache.keep({str(n): Tally(n)})
        found: dict[str, Any] = {}
        assert cache.find(["0"], found) == ([] if n < 10 or "0" in found else ["0"])
        cache.keep({"hot": Tally(1)})
        assert cache.find(["hot"], found) == []
    assert len(cache._young) + len(cache._old) <= 24


def test_a_cache_that_shall_keep_less_does_so_as_it_is_used() -> None:
    cache = RecordCache(1_000)
    cache.keep({str(n): Tally(n) for n in range(900)})
    cache.resize(10)
    for n in range(100):
        cache.keep({str(n): Tally(n)})
    assert len(cache._young) + len(cache._old) <= 24
