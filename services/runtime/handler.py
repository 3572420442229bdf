"""One stage of the pipeline at work: gather, decide, publish, write (docs/architecture.md, "The protocol").

Both engines call the same handler. It is the only place where a processor meets the outside, and the order of its
four steps is what makes the effects happen once over a log that delivers at least once.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from services.processor import WAKEUPS, Frame, Processor, Wakeup
from services.runtime.ports import Publisher, State, Write


class RecordCache:
    """Decoded records, most recently used kept: two generations, so that a look-up costs one dict access."""

    def __init__(self, size: int):
        self._size = size
        self._young: dict[str, msgspec.Struct | None] = {}
        self._old: dict[str, msgspec.Struct | None] = {}

    def find(self, keys: list[str], found: dict[str, Any]) -> list[str]:
        """Put what is known into `found`; return the keys that are not."""
        young, old, missing = self._young, self._old, []
        for key in keys:
            if key in young:
                found[key] = young[key]
            elif key in old:
                found[key] = young[key] = old[key]
            else:
                missing.append(key)
        return missing

    def keep(self, records: Mapping[str, msgspec.Struct | None]) -> None:
        """Remember these as the newest; forget the least recently used beyond twice the size."""
        self._young.update(records)
        if len(self._young) > self._size:
            self._old, self._young = self._young, {}

    def resize(self, size: int) -> None:
        """Keep so many from now on."""
        self._size = size

    def forget(self, keys: Iterable[str]) -> None:
        """Ask for these again when they are wanted."""
        for key in keys:
            self._young.pop(key, None)
            self._old.pop(key, None)

    def clear(self) -> None:
        """Forget everything: somebody else may have written."""
        self._young, self._old = {}, {}


class Handler:
    """Runs one processor over one partition. Caches live along an unbroken chain of its own writes only."""

    def __init__(self, processor: Processor, partition: int, state: State, log: Publisher, cache: int = 20_000):
        self.processor, self.partition = processor, partition
        self._state, self._log = state, log
        self._cache = RecordCache(cache)
        self._token = -1
        self.watermarks: dict[str, int] = {}

    async def load(self) -> None:
        """Take up the stage where its state stands. Call before the first frame and after any failure."""
        self._cache.clear()
        self._token, self.watermarks = await self._state.load()

    async def handle(self, frame: Frame, watermark: Mapping[str, int]) -> None:
        """One frame, all or nothing. `watermark` says where to read on in the frame's topic once it is written.

        On any error the stage's caches are gone and `load` must be called before going on.
        """
        try:
            records = await self._gather(frame)
            outcome = self.processor.decide(frame, records)
            await self._log.publish(outcome.emits)
            fired = frame.messages if frame.topic == WAKEUPS else ()
            write = Write(outcome.records, watermark, outcome.wakeups, fired)
            self._token = await self._state.write(self._token, write)
        except BaseException:
            self._cache.clear()
            self._token = -1
            raise
        self._cache.keep(outcome.records)
        self.watermarks |= watermark

    def keep(self, records: int) -> None:
        """Keep so many records decoded, and at most twice as many."""
        self._cache.resize(records)

    def forget(self, keys: Iterable[str]) -> None:
        """Records that others keep have changed: ask the state for them when they are wanted."""
        self._cache.forget(keys)

    async def fire(self, until: int, limit: int = 1_000) -> int:
        """Handle the wake-ups due at or before `until`, in the order of (due, key). Returns how many there were.

        Wake-ups of one instant share a frame, whose `now` is that instant: what fires does not depend on how late.
        """
        wakeups = await self._state.due(until, limit)
        for due in sorted({w.due for w in wakeups}):
            batch: list[Wakeup] = [w for w in wakeups if w.due == due]
            await self.handle(Frame(WAKEUPS, self.partition, batch, due), {})
        return len(wakeups)

    async def _gather(self, frame: Frame) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while wanted := [key for key in dict.fromkeys(self.processor.wants(frame, found)) if key not in found]:
            missing = self._cache.find(wanted, found)
            if missing:
                loaded = dict(zip(missing, await self._state.get(self._token, missing), strict=True))
                found |= loaded
                self._cache.keep(loaded)
        return found
