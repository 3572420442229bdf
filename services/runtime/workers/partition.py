"""One partition of a stage at work: what its topics bring goes through the handler, in the order of each topic.

The offsets of our internal topics have no gaps, so whatever happens in a rebalance, a partition knows by itself whether
a message is the next one. An earlier one was handled already and is dropped; before a later one something is missing,
and the topic is read again from the state's watermark.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import structlog

from services.errors import Fenced, RapportError, Retry
from services.processor import Frame
from services.runtime import metrics
from services.runtime.disk import Trouble
from services.runtime.handler import Handler
from services.runtime.ports import Publisher, State
from services.runtime.redis.layout import NOW
from services.runtime.workers.lines import Lines

LATE = 2_000  # ms that a touchpoint may be on its way from a collector's clock to the fold's state
SPAN = 1_000  # ms of log in a frame at most, as in the embedded engine
MOST = 256  # messages that may wait for their turn; then the consumer waits
MOST_BYTES = 2 * 1024 * 1024  # of these: a backlog has long messages, and a worker many partitions
FENCED = (
    3.0  # seconds until a partition that somebody else has written is taken up again: who lost it hears of it first
)
AGAIN = 0.5  # seconds until the consumer is asked once more to read on elsewhere: what was on its way comes first

_log = structlog.get_logger()


class Arrived(NamedTuple):
    """A message of an internal topic: `at` is its time in the log (epoch ms), `done` tells Faust that it is handled."""

    topic: str
    offset: int
    at: int
    body: bytes
    done: Callable[[], Any]


class StageState(State, Protocol):
    """A state that can also tell the time."""

    async def touch(self, now: int) -> None:
        """Say, with nothing else to write, that this partition has come to `now` (epoch ms). Raises Fenced."""


class StagePublisher(Publisher, Protocol):
    """A publisher that is one owner's alone."""

    async def take_over(self) -> None:
        """Put out whoever published for this partition before."""

    async def close(self) -> None:
        """Give back what it holds."""


class Partition:
    """One owner of one stage and partition. `incarnations` names the present life of each of its topics, `turn` is how
    many messages a frame has at most, `seek(topic, offset)` makes the consumer read on there."""

    def __init__(
        self, handler: Handler, state: StageState, publisher: StagePublisher, incarnations: Mapping[str, str],
        turn: int, seek: Callable[[str, int], Any], trouble: Trouble,
    ):  # fmt: skip
        self.number, self.stage = handler.partition, handler.processor.name
        self._handler, self._state, self.publisher = handler, state, publisher
        self._turn, self._lines, self._seek, self._trouble = turn, Lines(incarnations, publisher), seek, trouble
        self._marks = {topic: f"{topic}@{name}" for topic, name in incarnations.items()}
        self._waiting: dict[str, deque[Arrived]] = {topic: deque() for topic in incarnations}
        self._bytes = 0  # of what waits
        self._news, self._room, self._stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._loaded = False
        self._due: tuple[int, Mapping[str, int]] = (0, {})
        self._told = self._tell = 0
        self._fired, self._sought = 0, 0.0
        self._now = dict.fromkeys(incarnations, 0)  # of each topic the newest instant (epoch ms) that has been handled

    @property
    def positions(self) -> dict[str, int]:
        """The offset to read next of each topic."""
        return {topic: self._handler.watermarks.get(mark, 0) for topic, mark in self._marks.items()}

    @property
    def loaded(self) -> bool:
        """Whether the state is ours, as far as we know: before, `positions` says nothing."""
        return self._loaded

    @property
    def idle(self) -> bool:
        """Whether nothing that has arrived waits."""
        return self._loaded and not any(self._waiting.values())

    async def load(self, reason: str = "assigned") -> None:
        """Take the partition over, where its state stands. Raises RapportError when the state is of another log.

        Publishing first: who is cut off from Kafka, and so from the news that others own the partition now, would else
        put these out of the state again and again."""
        await self.publisher.take_over()
        await self._handler.load()
        metrics.LOADED.labels(self.stage, reason).inc()
        for mark in self._handler.watermarks:
            topic, _, incarnation = mark.partition("@")
            if topic in self._marks and self._marks[topic] != mark:
                raise anew(topic, f"{self.stage}/{self.number}", incarnation, self._marks[topic].partition("@")[2])
        self._loaded = True

    async def put(self, one: Arrived) -> None:
        """Take a message, when there is room. Once stopped, nobody waits: whoever puts has others to serve."""
        while self._bytes >= MOST_BYTES or sum(map(len, self._waiting.values())) >= MOST:
            if self._stopping.is_set():
                return
            self._room.clear()
            await self._room.wait()
        self._waiting[one.topic].append(one)
        self._bytes += len(one.body)
        self._news.set()

    def lost(self) -> None:
        """The state is not (or not any more) as this partition left it: take it up again."""
        self._loaded = False
        self._news.set()

    def keep(self, records: int) -> None:
        """Keep so many records decoded."""
        self._handler.keep(records)

    def forget(self, keys: Iterable[str]) -> None:
        """Records that others keep have changed."""
        self._handler.forget(keys)

    def tell(self, now: int) -> None:
        """Let the state say, when nothing waits here, that it has come to `now` (epoch ms)."""
        self._tell = now
        self._news.set()

    def fire(self, until: int, after: Mapping[str, int]) -> None:
        """Let what is due up to `until` (epoch ms) fire, once the topics have been handled up to these offsets."""
        self._due = (until, after)
        self._news.set()

    async def run(self) -> None:
        """Until `stop`. What is away is waited for; a bug ends it."""
        while not self._stopping.is_set():
            await self._news.wait()
            self._news.clear()
            try:
                if not self._loaded:
                    raise Fenced("another worker has taken the state over, or it is not loaded yet")
                await self._work()
                self._trouble.over()
            except (Fenced, Retry) as error:
                await self._again(error)

    def read_on(self) -> None:
        """Ask the consumer to go to where the state stands. What it has on its way may still arrive before."""
        if time.monotonic() - self._sought > AGAIN:
            self._sought = time.monotonic()
            for topic, position in self.positions.items():
                self._seek(topic, position)

    def stop(self) -> None:
        """Let the frame under way end; then `run` returns."""
        self._stopping.set()
        self._news.set()
        self._room.set()

    async def _work(self) -> None:
        busy = True
        while busy and not self._stopping.is_set():
            busy = False
            for topic in self._waiting:
                if some := self._next(topic):
                    await self._handle(topic, some)
                    busy = True
        until, after = self._due
        if until > self._fired and all(self.positions[topic] >= offset for topic, offset in after.items()):
            while await self._handler.fire(until) and not self._stopping.is_set():
                pass
            self._fired = until
        if self._tell > self._told:
            await self._state.touch(self._tell)
            self._told = self._tell

    def _next(self, topic: str) -> list[Arrived]:
        """The messages that make the next frame: those that come next, of at most `turn` lines and a second."""
        waiting, position = self._waiting[topic], self.positions[topic]
        found: list[Arrived] = []
        lines = 0
        while waiting:
            one = waiting[0]
            if one.offset < position:
                self._taken(waiting).done()
                continue
            lines += one.body.count(b"\n") + 1
            full = found and (lines > self._turn or one.at - found[0].at > SPAN)
            if one.offset > position or full:
                break
            found.append(self._taken(waiting))
            position += 1
        self._room.set()
        if not found and waiting:
            self._drop(waiting)
            self.read_on()
        return found

    def _taken(self, waiting: deque[Arrived]) -> Arrived:
        one = waiting.popleft()
        self._bytes -= len(one.body)
        return one

    def _drop(self, waiting: deque[Arrived]) -> None:
        while waiting:
            self._taken(waiting)

    async def _handle(self, topic: str, some: Sequence[Arrived]) -> None:
        began = time.perf_counter()
        messages, positions, now = await self._lines.read(topic, self.number, some, self._now[topic])
        frame = Frame(topic, self.number, messages, now, positions)
        marks = {self._marks[topic]: some[-1].offset + 1}
        if topic == "touchpoints":  # answers to those of other partitions say nothing of how far this one has come
            marks[NOW] = max(self._told, now - LATE)
        await self._handler.handle(frame, marks)
        self._now[topic], self._told = now, marks.get(NOW, self._told)
        metrics.FRAME_SECONDS.labels(self.stage).observe(time.perf_counter() - began)
        metrics.STAGE_MESSAGES.labels(self.stage).inc(len(messages))
        for one in some:
            one.done()

    async def _again(self, error: Exception) -> None:
        """Wait, load, and read everything from where the state stands."""
        self._loaded = False
        wait = self._trouble.met(error) if isinstance(error, Retry) else FENCED
        reason = "away" if isinstance(error, Retry) else "fenced"
        while not self._loaded and not self._stopping.is_set():
            _log.info("takes its state up again", stage=self.stage, partition=self.number, reason=str(error)[:500])
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)
            try:
                await self.load(reason)
            except Retry as again:
                wait = self._trouble.met(again)
        for waiting in self._waiting.values():
            self._drop(waiting)
        self.read_on()
        self._room.set()
        self._news.set()


def anew(topic: str, whose: str, known: str, now: str) -> RapportError:
    """Why nobody reads on in a topic that is not the one that `whose` state has read."""
    return RapportError(
        f"the topic {topic} was made anew: the state of {whose} has read one that was called {known}, and now there"
        f" is {now}. Nothing was changed. Put the old topic back, or build the state anew (docs/cluster.md)"
    )
