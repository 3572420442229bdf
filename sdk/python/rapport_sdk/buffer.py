"""The events that wait, on disk: a folder with files of this process and of processes that are gone.

Bounded: `put` waits for room, and says QueueFull when there is none in time. Nothing but offsets is in memory.
Any thread may put; one thread, the sender's, reads and settles.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from threading import Condition

from rapport_sdk import spool
from rapport_sdk.problems import QueueFull, log

ROTATED = 8 * 1024 * 1024  # a file larger than this is followed by another
BATCH_BYTES = 500 * 1024 - 256  # of events: the platform takes 500 KB, with what stands around them
BATCH_EVENTS = 2_500


class Buffer:
    """`most_bytes` and `most_events` is what may wait at once, orphans included."""

    def __init__(self, folder: Path, most_bytes: int, most_events: int):
        self._folder, self._most_bytes, self._most_events = folder, most_bytes, most_events
        self._files: deque[spool.Spool] = deque()  # the oldest first; the newest is written to, if it is ours
        self._changed = Condition()
        self._bytes = self._events = 0  # that wait
        self._found = 0  # events of other processes among those
        self._put = self._settled = 0  # events of this process, ever
        self._closed = False
        self._hurry = 0  # how many wait for everything to be settled
        self._wake_at = 1  # tell the sender when so many events wait

    def put(self, line: bytes, seconds: float) -> None:
        """Keep one event; it is safe from kill -9 when this returns. Waits up to `seconds` for room."""
        with self._changed:
            if self._no_room(line):
                self._wait_for_room(line, seconds)
            if self._closed:
                raise QueueFull("the client is closed: nothing can be sent with it any more")
            try:
                newest = self._newest()
                newest.append(line)
            except OSError as error:
                raise QueueFull(f"the event could not be written into {self._folder}: {error}") from error
            self._count(newest, 1, len(line) + 1)
            if self._events == self._wake_at or self._bytes >= BATCH_BYTES > self._bytes - len(line) - 1:
                self._changed.notify_all()

    def _no_room(self, line: bytes) -> bool:
        return self._events >= self._most_events or self._bytes + len(line) >= self._most_bytes

    def _wait_for_room(self, line: bytes, seconds: float) -> None:
        self._changed.wait_for(lambda: self._closed or not self._no_room(line), seconds)
        if self._no_room(line):
            raise QueueFull(
                f"{self._events} events ({self._bytes} bytes) wait in {self._folder} and none was answered within "
                f"{seconds:g} s: is the platform up? Try again later, or give the client larger buffer_bytes"
            )

    def _newest(self) -> spool.Spool:
        newest = self._files[-1] if self._files else None
        if newest is None or not newest.own or newest.end > ROTATED:
            newest = spool.create(self._folder)
            self._files.append(newest)
        return newest

    def batch(self, events: int, seconds: float, idle: float) -> list[bytes]:
        """The oldest events: when `events` of them wait, or a batch full, or `seconds` after the first, or hurried.

        Empty when there was nothing for `idle` seconds, or the buffer is closed.
        """
        with self._changed:
            self._wake_at = 1
            if not self._changed.wait_for(lambda: self._closed or self._waits(), idle):
                return []
            self._wake_at = events
            self._changed.wait_for(lambda: self._enough(events), seconds)
            return [] if self._closed else self._oldest(events)

    def _waits(self) -> bool:
        return any(each.waiting for each in self._files)

    def _enough(self, events: int) -> bool:
        return self._events >= events or self._bytes >= BATCH_BYTES or self._hurry > 0 or self._closed

    def _oldest(self, events: int) -> list[bytes]:
        first = self._files[0]
        lines = first.first(BATCH_BYTES, events)
        if not lines:
            self._count(first, -first.events, -first.waiting)
            self._files.popleft().put_aside()
            log.error("%s is damaged and cannot be read any further: it was renamed", first.path)
        return lines

    def _count(self, file: spool.Spool, events: int, size: int) -> None:
        self._events += events
        self._bytes += size
        if not file.own:
            self._found += events
        elif events > 0:
            self._put += events
        else:
            self._settled -= events

    def settle(self, lines: list[bytes]) -> None:
        """The oldest events, these, have been answered for."""
        with self._changed:
            if self._closed:
                return  # the file may be somebody else's by now; sent again they are known by their ids
            first = self._files[0]
            self._count(first, -len(lines), -first.settle(lines))
            if not first.waiting and (not first.own or len(self._files) > 1):
                self._files.popleft().close(remove=True)
            self._changed.notify_all()

    def adopt(self) -> None:
        """Take over the files of processes that are gone. They come before our own."""
        for path in sorted(self._folder.glob(f"*{spool.SUFFIX}"), reverse=True):
            found = spool.adopt(path)
            if found is not None:
                with self._changed:
                    if self._closed:
                        found.close(remove=False)
                        return
                    self._files.appendleft(found)
                    self._count(found, found.events, found.waiting)
                    self._changed.notify_all()

    def wait_until_settled(self, seconds: float) -> int:
        """Hurry, and wait until what was put or found before is answered for; how many events are not."""
        with self._changed:
            target = self._put
            self._hurry += 1
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: self._left(target) == 0 or self._closed, seconds)
            finally:
                self._hurry -= 1
            return self._left(target)

    def _left(self, target: int) -> int:
        return self._found + max(0, target - self._settled)

    def close(self) -> int:
        """Let go of the files; how many events are left in them, for the next process."""
        with self._changed:
            self._closed = True
            for each in self._files:
                each.close(remove=not each.waiting)
            self._files.clear()
            self._changed.notify_all()
            return self._events

    def forget(self) -> None:
        """In a forked child: the files are the parent's, who has still its own descriptors and the locks."""
        for each in self._files:
            os.close(each.fd)
