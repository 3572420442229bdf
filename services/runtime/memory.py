"""State and log in memory, with real encodings and a real fence: for tests and simulations.

Records are kept as bytes, so nothing leaks between a handler and the store; the newest writes can be forgotten, as a
Redis that loses its last second does.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple

import msgspec

from services.errors import Fenced
from services.processor import Emit, Frame, Wakeup
from services.runtime.ports import Loaded, Write


class _Snapshot(NamedTuple):
    token: int
    records: dict[str, bytes]
    watermarks: dict[str, int]
    wakeups: frozenset[Wakeup]


class MemoryState:
    """One stage's state. Tokens are never reused, also after `forget`."""

    def __init__(self, record: Any):
        self._decode = msgspec.msgpack.Decoder(record).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._tokens = count(1)
        self._history = [_Snapshot(0, {}, {}, frozenset())]

    async def load(self) -> Loaded:
        now = self._history[-1]
        return Loaded(now.token, dict(now.watermarks))

    async def get(self, token: int, keys: Sequence[str]) -> list[msgspec.Struct | None]:
        records = self._present(token).records
        return [self._decode(records[key]) if key in records else None for key in keys]

    async def due(self, until: int, limit: int) -> list[Wakeup]:
        return sorted(w for w in self._history[-1].wakeups if w.due <= until)[:limit]

    async def write(self, token: int, write: Write) -> int:
        now = self._present(token)
        records = dict(now.records)
        for key, record in write.records.items():
            if record is None:
                records.pop(key, None)
            else:
                records[key] = self._encode(record)
        wakeups = (now.wakeups - set(write.fired)) | set(write.wakeups)
        new = _Snapshot(next(self._tokens), records, now.watermarks | dict(write.watermarks), wakeups)
        self._history.append(new)
        return new.token

    def _present(self, token: int) -> _Snapshot:
        now = self._history[-1]
        if token != now.token:
            raise Fenced(f"token {token} is not the present {now.token}")
        return now

    def forget(self, writes: int) -> None:
        """Lose the newest writes, at most this many."""
        keep = max(1, len(self._history) - writes)
        del self._history[keep:]

    def records(self) -> dict[str, Any]:
        """Everything that is kept now, decoded."""
        return {key: self._decode(value) for key, value in self._history[-1].records.items()}


class MemoryLog:
    """Every topic and partition as a list. Messages are kept as they were published (they are frozen)."""

    def __init__(self, partition: Callable[[str, str], int]):
        self._partition = partition
        self.topics: dict[tuple[str, int], list[Any]] = defaultdict(list)

    async def publish(self, emits: Sequence[Emit]) -> None:
        for emit in emits:
            self.topics[emit.topic, self._partition(emit.topic, emit.key)].append(emit.message)

    def read(self, topic: str, partition: int, start: int, most: int, now: int) -> Frame | None:
        """At most `most` messages from offset `start` on, as one frame; None when there are none yet."""
        messages = self.topics[topic, partition][start : start + most]
        if not messages:
            return None
        return Frame(topic, partition, messages, now, [(start + i, 0) for i in range(len(messages))])
