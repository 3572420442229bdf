"""One file of events that wait to be answered for, one a line. Exactly one process has it, by an flock.

The first line says how far it was answered: `rapport-sdk 1 ` and the offset of the first event that was not. What
is written stands in the operating system's memory when `append` returns: it survives kill -9 of the program. A line
without its newline at the end is one whose `append` never returned.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

SUFFIX = ".events"
_HEAD = b"rapport-sdk 1 %019d\n"
_KNOWN = re.compile(rb"rapport-sdk 1 [0-9]{19}\n")
_START = len(_HEAD % 0)
_COPY = 1 << 20  # bytes read at once to count the events of a file that was found


class Spool:
    """An open and locked file. `events` wait in it, from `head` to `end`; `own` if this process has written them."""

    def __init__(self, path: Path, fd: int, own: bool):
        self.path, self.fd, self.own = path, fd, own
        self.head, self.end, self.events = _START, _START, 0

    @property
    def waiting(self) -> int:
        """Bytes that wait to be answered for: the one truth, `events` only says how many they are."""
        return self.end - self.head

    def append(self, line: bytes) -> None:
        """Write one event. Raises OSError when the disk does not take it; then nothing of it is kept."""
        try:
            written = os.pwrite(self.fd, line + b"\n", self.end)
            if written <= len(line):
                raise OSError("the disk took only a part of the event")
        except OSError:
            with suppress(OSError):
                os.ftruncate(self.fd, self.end)
            raise
        self.end += written
        self.events += 1

    def first(self, most_bytes: int, most_events: int) -> list[bytes]:
        """The oldest events that wait, as many as fit. Empty when what waits is damaged: no event is so long."""
        found = os.pread(self.fd, min(most_bytes, self.waiting), self.head)
        return found[: found.rfind(b"\n") + 1].split(b"\n")[:-1][:most_events]

    def settle(self, lines: list[bytes]) -> int:
        """The oldest events, these, have been answered for; their bytes. When none is left the file begins anew."""
        size = sum(map(len, lines)) + len(lines)
        self.head += size
        self.events -= len(lines)
        if self.head == self.end:
            os.ftruncate(self.fd, _START)  # before the head moves: a head behind the end says that nothing waits
            self.head = self.end = _START
        os.pwrite(self.fd, _HEAD % self.head, 0)
        return size

    def put_aside(self) -> None:
        """Let go of the file, which is damaged, and leave it to a person."""
        self.path.rename(self.path.with_suffix(".damaged"))
        os.close(self.fd)

    def close(self, remove: bool) -> None:
        """Let go of the file; `remove` it, because nothing waits in it any more."""
        if remove:
            with suppress(FileNotFoundError):
                self.path.unlink()
        os.close(self.fd)


def create(folder: Path) -> Spool:
    """A new file of this process. Its name sorts by time."""
    while True:
        path = folder / f"{time.time_ns():020d}-{uuid4().hex[:12]}{SUFFIX}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        if _locked(fd):
            break
        os.close(fd)  # somebody who looked for orphans was quicker, and will find that it is empty
    spool = Spool(path, fd, own=True)
    try:
        os.pwrite(fd, _HEAD % _START, 0)
    except OSError:
        spool.close(remove=True)
        raise
    return spool


def adopt(path: Path) -> Spool | None:
    """The file of a process that is gone, or None: it belongs to somebody, nothing is left in it, or it is not ours."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if not _locked(fd):
        os.close(fd)
        return None
    spool, head = Spool(path, fd, own=False), os.pread(fd, _START, 0)
    if len(head) == _START:  # a shorter file is of a process that ended before its first event
        if not _KNOWN.fullmatch(head):
            spool.close(remove=False)
            return None
        spool.head = max(int(head[-20:]), _START)
        _measure(spool)
    if not spool.events:
        spool.close(remove=True)
        return None
    return spool


def _measure(spool: Spool) -> None:
    """Find how many whole events wait, and where they end."""
    at = spool.end = spool.head
    while found := os.pread(spool.fd, _COPY, at):
        spool.events += found.count(b"\n")
        if b"\n" in found:
            spool.end = at + found.rfind(b"\n") + 1
        at += len(found)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
