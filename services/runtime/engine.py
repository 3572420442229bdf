"""The embedded engine: every stage of the pipeline in one loop over one SQLite file.

A *turn* takes frames from the log and carries them through all stages until nothing is left between them, then
commits once: records, wake-ups, watermarks and the topics that others read. Between two commits a topic that only
our own stages read is a list in memory; a crash throws the whole turn away, and it is done again from the watermark.

Wake-ups fire before what came after them: those due when the turn's first touchpoint was received before it, those due
since then after it. What falls due for somebody between two touchpoints of one turn, the assemble stage sees to itself.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from schemas import fast
from schemas.topics import TOPICS
from services.processor import Emit, Frame, Processor
from services.runtime import frames
from services.runtime.handler import Handler
from services.runtime.sqlite_state import SqliteState, StateFile

SPAN = 1_000  # ms of log in a frame at most: who waits for identity in one is judged after those who do not
QUIET = 100  # ms by which wake-ups follow the clock when the log is quiet: what was received before them comes first


class Outbox:
    """The publisher of a turn: messages for our own stages wait in memory, those for others go with the commit."""

    def __init__(self, db: sqlite3.Connection, stages: Sequence[str]):
        self._db = db
        self._stages = frozenset(stages)
        self.waiting: dict[str, deque[Any]] = {}
        self._lines: dict[str, list[bytes]] = {}
        for name, topic in TOPICS.items():
            if self._stages.intersection(topic.producers):
                if self._stages.intersection(topic.consumers):
                    self.waiting[name] = deque()
                if topic.public or not self._stages.issuperset(topic.consumers):
                    self._lines[name] = []
        self._next = {name: frames.end(db, name) for name in self._lines}

    async def publish(self, emits: Sequence[Emit]) -> None:
        waiting, lines = self.waiting, self._lines
        for topic, _, message in emits:
            if topic in waiting:
                waiting[topic].append(message)
            if topic in lines:
                lines[topic].append(fast.dumps(message))

    def write(self, now: int) -> None:
        """Put what others read into the file, one frame a topic; the caller commits."""
        for topic, lines in self._lines.items():
            if lines:
                frames.append(self._db, topic, self._next[topic], now, lines)

    def settle(self, committed: bool) -> None:
        """After the commit (or instead of it) start the next turn empty."""
        for topic, lines in self._lines.items():
            self._next[topic] += bool(lines and committed)
            lines.clear()
        for messages in self.waiting.values():
            messages.clear()


class Engine:
    """Runs the processors over the log, one `turn` after the other. One engine per data folder.

    `read(start, limit)` gives the touchpoint frames from an offset on: of the log, or of the archive while rebuilding.
    `turn` is how many touchpoints one transaction takes at most, `cache` how many records each stage keeps decoded.
    `spent(stage, messages, seconds)` hears where the CPU's time goes. Touchpoints of frames below `restored_before` are
    read once more, so they count as restored.
    """

    def __init__(
        self, file: StateFile, processors: Sequence[Processor],
        read: Callable[[int, int], list[frames.StoredFrame]], clock: Callable[[], int],
        turn: int, cache: int, spent: Callable[[str, int, float], None] | None = None,
        restored_before: int = 0,
    ):  # fmt: skip
        self._file, self._read, self._clock, self._turn = file, read, clock, turn
        self._outbox = Outbox(file.db, [p.name for p in processors])
        self._states = [SqliteState(file, p.name, p.record) for p in processors]
        self._handlers = [Handler(p, 0, s, self._outbox, cache) for p, s in zip(processors, self._states, strict=True)]
        self._fold = self._handlers[0]
        self._decode = msgspec.json.Decoder(fast.Touchpoint).decode_lines
        self._now, self._idle, self._restored_before = 0, True, restored_before
        self._spent = spent or (lambda stage, messages, seconds: None)

    async def load(self) -> None:
        """Take up every stage where the file stands."""
        for handler in self._handlers:
            await handler.load()

    @property
    def watermark(self) -> int:
        """The offset of the log that is read next."""
        return self._fold.watermarks.get("touchpoints", 0)

    async def turn(self) -> int:
        """One turn. Returns how many touchpoints and wake-ups it carried through; 0 when there was nothing to do."""
        stored = self._read(self.watermark, self._turn)
        self._idle = not stored
        if not stored and not await self._due(self._clock() - QUIET):
            return 0
        return await self._commit(lambda: self._carry(stored))

    @property
    def now(self) -> int:
        """The time of what is handed to a stage between two turns (epoch ms): not ahead of what may lie on the log."""
        return max(self._now, self._clock() - QUIET) if self._idle else self._now

    async def hand(self, given: Mapping[str, Frame], note: Callable[[], None]) -> None:
        """Give stages frames of their own between two turns, with what `note` writes, in one transaction."""

        async def carry() -> int:
            for handler in self._handlers:
                frame = given.get(handler.processor.name)
                if frame is not None:
                    await self._handle(handler, frame, {})
                    await self._drain(frame.now)
            note()
            return sum(len(frame.messages) for frame in given.values())

        await self._commit(carry)

    async def _commit(self, carry: Callable[[], Awaitable[int]]) -> int:
        """All of it or nothing; returns how many messages it says there were."""
        self._file.begin()
        try:
            done = await carry()
            began = time.thread_time()
            for state in self._states:
                state.flush()
            self._outbox.write(self._clock())
            self._file.db.execute("COMMIT")
            self._spent("commit", done, time.thread_time() - began)
        except BaseException:
            self._outbox.settle(committed=False)
            self._file.rollback()
            raise
        self._outbox.settle(committed=True)
        return done

    async def _carry(self, stored: Sequence[frames.StoredFrame]) -> int:
        if not stored:
            return await self._fire(self._clock() - QUIET)
        done = 0
        for some in self._cut(stored):
            frame = self._frame(some)
            done += len(frame.messages) + await self._fire(frame.messages[0].received_at)
            await self._handle(self._fold, frame, {"touchpoints": some[-1].offset + 1})
            await self._drain(frame.now)
            done += await self._fire(frame.now)
        return done

    def _cut(self, stored: Sequence[frames.StoredFrame]) -> list[list[frames.StoredFrame]]:
        """A backlog is not one moment: who logs in and buys in the course of it has not waited till its end. What is
        read once more starts nothing, so it stays in one piece."""
        found: list[list[frames.StoredFrame]] = []
        for one in stored:
            if found and (one.offset < self._restored_before or one.at - found[-1][0].at <= SPAN):
                found[-1].append(one)
            else:
                found.append([one])
        return found

    def _frame(self, stored: Sequence[frames.StoredFrame]) -> Frame:
        began = time.thread_time()
        messages: list[Any] = []
        positions: list[tuple[int, int]] = []
        for one in stored:
            found = self._decode(one.body)
            if one.offset < self._restored_before:
                found = [_restored(m) for m in found]
            elif any(m.restored for m in found):
                self._now = max(self._now, one.at)  # they keep the stamps of long ago, and come now
            messages += found
            positions += [(one.offset, index) for index in range(one.count)]
        self._now = max(self._now, max(m.received_at for m in messages))
        self._spent("decode", len(messages), time.thread_time() - began)
        return Frame("touchpoints", 0, messages, self._now, positions)

    async def _due(self, until: int) -> bool:
        return any([await state.due(until, 1) for state in self._states])

    async def _fire(self, until: int) -> int:
        fired = 0
        for handler in self._handlers:
            fired += await handler.fire(until)
        await self._drain(until)
        return fired

    async def _drain(self, now: int) -> None:
        """Hand on what the stages have told each other until there is silence."""
        busy = True
        while busy:
            busy = False
            for handler in self._handlers:
                for topic in handler.processor.inputs:
                    messages = self._outbox.waiting.get(topic)
                    if messages:
                        batch = list(messages)
                        messages.clear()
                        await self._handle(handler, Frame(topic, 0, batch, now), {})
                        busy = True

    async def _handle(self, handler: Handler, frame: Frame, watermark: dict[str, int]) -> None:
        began = time.thread_time()
        await handler.handle(frame, watermark)
        self._spent(handler.processor.name, len(frame.messages), time.thread_time() - began)


def _restored(message: Any) -> Any:
    return msgspec.structs.replace(message, restored=True)
