"""A stage on Faust: which partitions this worker owns, and the heartbeat that looks after them.

Taking a partition over takes its state's token, which puts every former owner out. Losing it lets the frame under way
end. Once a second the heartbeat notices who has written our state or that it went back, tells how far the fold has
come, and lets fire what is due: for the assemble stage up to where all partitions of the fold have come, because a
touchpoint that is on its way may keep somebody from falling due.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from services.errors import RapportError, Retry
from services.processor import Processor
from services.runtime import metrics
from services.runtime.disk import Trouble
from services.runtime.handler import Handler
from services.runtime.kafka.connection import faust_settings, topic_name
from services.runtime.settings import Settings
from services.runtime.workers.consumer import StageApp
from services.runtime.workers.partition import LATE, Arrived, Partition, StagePublisher, StageState, anew

BEAT = 1.0  # seconds
STALLED = 4  # beats without a step, with something to read, until the consumer is told again where to go
ENDING = 10.0  # seconds that frames under way get when their partition goes
TAKING = 10.0  # seconds that Faust waits while partitions are taken up; after REQUEST (consumer.py) it gives up

_log = structlog.get_logger()


class Means(NamedTuple):
    """What a stage works with. `state` and `publisher` make those of a partition; `lost` are those of some states that
    others have written; `slowest` is the instant that all partitions of the fold have come to (epoch ms), None while
    one has not said; `clock` is epoch ms; `lives` names the lives of the stage's topics as they are now, and raises
    Retry while Kafka does not say."""

    state: Callable[[int], StageState]
    publisher: Callable[[int], StagePublisher]
    lost: Callable[[list[Any]], Awaitable[list[Any]]]
    slowest: Callable[[], Awaitable[int | None]]
    clock: Callable[[], int]
    lives: Callable[[], Mapping[str, str]]


class _Owned(NamedTuple):
    """A partition at work."""

    partition: Partition
    state: StageState
    task: "asyncio.Task[None]"


class Stage:
    """One stage in this process. `incarnations` names the lives of its topics. `run` it; it ends when `stop` is called,
    or with the error of a partition."""

    def __init__(self, processor: Processor, incarnations: Mapping[str, str], means: Means, settings: Settings):
        self._processor, self._incarnations, self._means, self._settings = processor, incarnations, means, settings
        self.name = processor.name
        self._topics = {topic_name(settings, topic): topic for topic in incarnations}  # by what Kafka calls them
        self._parts: dict[int, _Owned] = {}
        self._changing = asyncio.Lock()  # one change of what we own after the other
        self._ended: asyncio.Future[None] | None = None
        self._stopped = False
        self._trouble, self._unheard = Trouble(self.name), Trouble(f"{self.name} heartbeat")
        self._seeking: asyncio.Future[None] | None = None
        self._steps: dict[tuple[int, str], tuple[int, int]] = {}
        made = faust_settings(settings)
        self.app = StageApp(settings.kafka_prefix, self.name, self._topics, made, self._positions, self._arrive)
        self.app.on_partitions_revoked.connect(self._revoked, weak=False)  # type: ignore[arg-type]

    async def run(self) -> None:
        """Work until `stop`. Raises what ended a partition."""
        self._ended = asyncio.get_running_loop().create_future()
        if self._stopped:
            return
        beating = asyncio.create_task(self._beats())
        crashed = asyncio.create_task(self._crashed())
        await self.app.start()
        try:
            await asyncio.wait([self._ended, beating, crashed], return_when=asyncio.FIRST_COMPLETED)
            for done in (self._ended, beating, crashed):
                if done.done() and not done.cancelled():
                    done.result()
        finally:
            for task in (beating, crashed):
                task.cancel()
            async with self._changing:
                await self._let_go(set(self._parts))
            await self.app.stop()

    def stop(self) -> None:
        """Let `run` end, also one that has not begun."""
        self._stopped = True
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def reasons(self) -> list[str]:
        """Why the stage is not ready, in sentences; none: it is, also when others have all the partitions."""
        if self._trouble.failures or self._unheard.failures:
            return [f"{self.name} fails and tries again: the log of the worker says why"]
        return [] if self.app.consumer_generation_id else [f"{self.name} has not joined the other workers yet"]

    def forget(self, keys: Sequence[str]) -> None:
        """Records that others keep have changed."""
        for owned in self._parts.values():
            owned.partition.forget(keys)

    async def _crashed(self) -> None:
        while not self.app.crashed:
            await asyncio.sleep(BEAT)
        raise RapportError(f"the consumer of {self.name} has come to an end: {self.app.crash_reason!r}")

    async def _positions(self, assigned: set[TP]) -> dict[TP, int]:
        """Take up the partitions that are new, and say where each topic is read on. What takes longer (Redis hangs)
        goes on by itself, and the consumer is asked to read on once it is there."""
        metrics.REBALANCES.labels(self.name).inc()
        taking = asyncio.create_task(self._take_up(assigned))
        taking.add_done_callback(self._part_ended)
        await asyncio.wait([taking], timeout=TAKING)
        return self._where(assigned)

    async def _take_up(self, assigned: set[TP]) -> None:
        numbers = {tp.partition for tp in assigned}
        async with self._changing:
            await self._let_go(set(self._parts) - numbers)
            await asyncio.gather(*(self._take(number) for number in numbers - set(self._parts)))
            for owned in self._parts.values():  # however many partitions there are, the process has one memory
                owned.partition.keep(self._settings.cache_records // len(self._parts))
        metrics.PARTITIONS.labels(self.name).set(len(self._parts))
        try:
            await self._check(self._where(assigned))
        except Retry as error:  # whoever then stands still is asked again
            self._trouble.met(error)

    def _where(self, assigned: set[TP]) -> dict[TP, int]:
        """Where those of the assigned partitions are read on whose state is known."""
        parts = {number: owned.partition for number, owned in self._parts.items() if owned.partition.loaded}
        return {tp: parts[tp.partition].positions[self._topics[tp.topic]] for tp in assigned if tp.partition in parts}

    async def _take(self, number: int) -> None:
        state, publisher = self._means.state(number), self._means.publisher(number)
        handler = Handler(self._processor, number, state, publisher, self._settings.cache_records)
        seek, turn = partial(self._seek, number), self._settings.turn
        part = Partition(handler, state, publisher, self._incarnations, turn, seek, self._trouble)
        try:
            await part.load()
        except Retry as error:
            self._trouble.met(error)
            part.lost()
        task = asyncio.create_task(part.run(), name=f"{self.name}/{number}")
        task.add_done_callback(self._part_ended)
        self._parts[number] = _Owned(part, state, task)

    def _part_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) and self._ended and not self._ended.done():
            self._ended.set_exception(error)

    async def _check(self, positions: Mapping[TP, int]) -> None:
        """Raise RapportError where the log no longer holds what a state would read next, or never held it."""
        beginnings = await _answered(self.app.consumer.earliest_offsets(*positions))
        ends = await _answered(self.app.consumer.highwaters(*positions))
        for tp, position in positions.items():
            if not beginnings.get(tp, 0) <= position <= ends.get(tp, position):
                error = RapportError(
                    f"{tp.topic}/{tp.partition} begins at offset {beginnings.get(tp)} and ends at {ends.get(tp)}, but"
                    f" the state of {self.name} would read on at {position}: the log and the state do not belong"
                    " together any more. Nothing was changed. docs/cluster.md says how the state is built anew"
                )
                if self._ended and not self._ended.done():
                    self._ended.set_exception(error)
                raise error

    async def _revoked(self, _app: Any, revoked: set[TP], /, **_: Any) -> None:
        async with self._changing:
            await self._let_go({tp.partition for tp in revoked})

    async def _let_go(self, numbers: set[int]) -> None:
        gone = [self._parts.pop(number) for number in numbers if number in self._parts]
        for owned in gone:
            owned.partition.stop()
        if gone:
            await asyncio.wait([owned.task for owned in gone], timeout=ENDING)
        for owned in gone:
            owned.task.cancel()
            await owned.partition.publisher.close()
        if gone:
            self._trouble.over()  # it may have been theirs; whose it is meets it again

    async def _arrive(self, event: Any) -> None:
        message = event.message
        found = self._parts.get(message.partition)
        if found is None:
            event.ack()
            return
        at = int(message.timestamp * 1000)
        await found.partition.put(
            Arrived(self._topics[message.topic], message.offset, at, message.value or b"", event.ack)
        )

    def _seek(self, number: int, topic: str, offset: int) -> None:
        self._seeking = asyncio.ensure_future(self._read_on(TP(topic_name(self._settings, topic), number), offset))

    async def _read_on(self, tp: TP, offset: int) -> None:
        if tp in self.app.consumer.assignment():
            consumer: Any = self.app.consumer
            await consumer.seek_wait({tp: offset})
            consumer._read_offset[tp] = offset or None  # what Faust takes for read already, and drops, lies below it

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            try:
                self._same(await asyncio.to_thread(self._means.lives))
                await self._beat()
                self._unheard.over()
            except Retry as error:
                self._unheard.met(error)

    def _same(self, lives: Mapping[str, str]) -> None:
        """Raise RapportError when a topic has been made anew under us: its offsets are others now."""
        for topic, life in lives.items():
            if life != self._incarnations[topic]:
                raise anew(topic, self.name, self._incarnations[topic], life)

    async def _beat(self) -> None:
        owned, now = list(self._parts.values()), self._means.clock()  # the time before we look what has come
        parts, ends = [one.partition for one in owned], await self._ends()
        metrics.BEHIND.labels(self.name).set(sum(self._behind(part, ends) for part in parts))
        idle = {id(one.state): one.partition for one in owned if one.partition.idle}
        for state in await self._means.lost([one.state for one in owned if one.partition.idle]):
            idle[id(state)].lost()
        for part in parts:
            await self._look(part, ends)
            if self.name == "fold" and part.idle and not self._behind(part, ends):
                part.tell(now - LATE)
        await self._fire(parts)

    async def _fire(self, parts: list[Partition]) -> None:
        """What is due fires: rules' waits by the clock; people's time when all that came before has been handled."""
        if self.name == "rules":
            for part in parts:
                part.fire(self._means.clock(), {})
        elif self.name == "assemble" and parts and (until := await self._means.slowest()) is not None:
            ends, until = await self._ends(), min(until, self._means.clock())  # a collector's clock may be ahead
            for part in parts:
                part.fire(until, {topic: ends.get(TP(name, part.number), 0) for name, topic in self._topics.items()})

    async def _ends(self) -> Mapping[TP, int]:
        tps = [TP(topic, number) for number in self._parts for topic in self._topics]
        return await _answered(self.app.consumer.highwaters(*tps)) if tps else {}

    def _behind(self, part: Partition, ends: Mapping[TP, int]) -> int:
        at = part.positions
        return sum(max(0, ends.get(TP(name, part.number), 0) - at[topic]) for name, topic in self._topics.items())

    async def _look(self, part: Partition, ends: Mapping[TP, int]) -> None:
        """A partition that has something to read and gets nothing has lost the consumer's way."""
        for name, topic in self._topics.items():
            at = part.positions[topic]
            before, beats = self._steps.get((part.number, topic), (-1, 0))
            stands = part.idle and at == before and at < ends.get(TP(name, part.number), 0)
            self._steps[part.number, topic] = at, beats + 1 if stands else 0
            if stands and beats >= STALLED:
                await self._check({TP(name, part.number): at})
                part.read_on()
                self._steps[part.number, topic] = at, 0


async def _answered(asked: Awaitable[Mapping[TP, int]]) -> Mapping[TP, int]:
    """What Kafka answers. Raises Retry when it does not."""
    try:
        return await asked
    except KafkaError as error:
        raise Retry(f"Kafka does not say where its partitions begin and end: {error}") from None
