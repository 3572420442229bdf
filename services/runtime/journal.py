"""The collectors' way onto the embedded log: durable before it returns, one fsync for many requests.

Requests that are under way together share a transaction: each one leaves its lines and waits; the event loop calls
`_flush` once it has served everything that was ready. A commit blocks the loop for one fdatasync, which measured
cheaper, and steadier in p99, than handing the interpreter lock to a writer thread and back for every commit.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from schemas.topics import TOPICS
from services.errors import Retry
from services.runtime import frames
from services.runtime.disk import Trouble

MOST_WAITING = 64 * 1024 * 1024  # bytes of lines that may wait for one commit


class Journal:
    """Appends to the topics of the collectors' log file: `touchpoints`, `rejected` and `commands`."""

    def __init__(self, path: Path, clock: Callable[[], int]):
        self._db = frames.open_file(path)
        self._clock = clock
        topics = [name for name, topic in TOPICS.items() if "collectors" in topic.producers]
        self._next: dict[str, int] = {}  # empty: to be read from the file
        self._lines: dict[str, list[bytes]] = {topic: [] for topic in topics}
        self._trouble = Trouble("collector")
        self._size = 0
        self._done: asyncio.Future[None] | None = None

    async def append(self, touchpoints: Sequence[bytes], rejected: Sequence[bytes]) -> None:
        """Return when these lines are on disk. Raises Retry when they cannot be made durable now."""
        await self.put({"touchpoints": touchpoints, "rejected": rejected})

    async def put(self, lines: Mapping[str, Sequence[bytes]]) -> None:
        """The same for any of the collectors' topics."""
        if self._size > MOST_WAITING:
            raise Retry("too much is waiting for the disk", after=1.0)
        for topic, some in lines.items():
            self._lines[topic] += some
            self._size += sum(map(len, some))
        if self._done is None:
            loop = asyncio.get_running_loop()
            self._done = loop.create_future()
            loop.call_soon(self._flush)
        await asyncio.shield(self._done)

    def _flush(self) -> None:
        done, self._done = self._done, None
        lines, self._lines = self._lines, {topic: [] for topic in self._lines}
        self._size = 0
        assert done is not None
        try:
            self._commit(lines)
        except sqlite3.Error as error:
            self._trouble.met(error)
            done.set_exception(Retry(f"the log could not be written: {error}", after=5.0))
            done.exception()  # every waiting request raises it; none may be left to hear it
        else:
            self._trouble.over()
            done.set_result(None)

    def _commit(self, lines: dict[str, list[bytes]]) -> None:
        at, after, self._next = self._clock(), self._next, {}  # a commit that fails may be on disk all the same
        with frames.transaction(self._db):
            after = after or {topic: frames.end(self._db, topic) for topic in lines}
            for topic, some in lines.items():
                if some:
                    frames.append(self._db, topic, after[topic], at, some)
                    after[topic] += 1
        self._next = after

    def trim(self, topic: str, before: int, older_than: int) -> int:
        """Drop what every reader has and what is old enough; see `frames.trim`."""
        return frames.trim(self._db, topic, before, older_than)

    def close(self) -> None:
        """Close the file. What was acknowledged is on disk already."""
        self._db.close()
