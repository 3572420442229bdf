"""The processes of an embedded platform, and their one parent.

The parent starts the children, waits until each says it is ready, and stops them all when one ends or when it is
asked to. A child whose parent is gone stops by itself: it watches a pipe that only the parent holds open.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

import structlog

from services.errors import RapportError
from services.runtime import disk, garbage, logs, metrics

READY_WITHIN = 60.0  # seconds until a child must be ready
STOP_WITHIN = 20.0  # seconds until a child that was asked to stop is killed


Work = Callable[[Any, Callable[[Any], None]], None]  # called with the settings, and how to say that it is ready


class Member(NamedTuple):
    """A process to be: what it does, and how far it stands back (Unix niceness) when all want the CPU."""

    work: Work
    nice: int = 0


class Child(NamedTuple):
    """A running child: its process and the parent's end of their pipe."""

    name: str
    process: Any
    pipe: Connection


class Family:
    """Starts `members` as processes, in this order."""

    def __init__(self, settings: Any, members: Mapping[str, Member]):
        self._settings, self._members = settings, members
        self._children: list[Child] = []

    def start(self) -> dict[str, Any]:
        """Start every child and wait until all are ready. Returns what each said when it was (its port, say)."""
        context = multiprocessing.get_context("spawn")
        for name, member in self._members.items():
            ours, theirs = context.Pipe()
            process = context.Process(target=_live, args=(name, member, self._settings, theirs), name=f"rapport-{name}")
            with _interrupt_held_back():
                process.start()
                theirs.close()
                self._children.append(Child(name, process, ours))
        return {child.name: self._await(child) for child in self._children}

    def _await(self, child: Child) -> Any:
        try:
            if child.pipe.poll(READY_WITHIN):
                return child.pipe.recv()
            reason = f"was not ready within {READY_WITHIN:.0f} s"
        except EOFError:
            child.process.join(5)
            reason = f"ended with status {child.process.exitcode} before it was ready (its last words are above)"
        self.stop()
        raise RapportError(f"the {child.name} process {reason}")

    def watch(self, stopped: threading.Event) -> str | None:
        """Wait until `stopped` is set or a child ends by itself; returns that child's name."""
        while not stopped.is_set():
            ended = wait([child.process.sentinel for child in self._children], timeout=0.2)
            for child in self._children:
                if child.process.sentinel in ended:
                    return child.name
        return None

    def pids(self) -> dict[str, int]:
        """The process id of each child."""
        return {child.name: child.process.pid for child in self._children}

    def stop(self) -> None:
        """Ask every child to stop, last started first; kill the one that does not in time."""
        for child in reversed(self._children):
            if child.process.is_alive():
                child.process.terminate()
        deadline = time.monotonic() + STOP_WITHIN
        for child in self._children:
            child.process.join(max(0.1, deadline - time.monotonic()))
            if child.process.is_alive():
                child.process.kill()
                child.process.join()
            child.pipe.close()
        self._children.clear()


@contextmanager
def _interrupt_held_back() -> Iterator[None]:
    """Start a child in here, and it hears no Ctrl-C from its first instruction on: the whole group gets it, and the
    parent decides. It is held back, not ignored: one that comes right now is handled at the end. (The mask is what the
    child inherits; another thread of the parent may hear the signal all the same, so the handler waits, too.)"""
    came: list[Any] = []
    before = signal.signal(signal.SIGINT, lambda *heard: came.append(heard))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
        if came and callable(before):
            before(*came[0])


def _live(name: str, member: Member, settings: Any, pipe: Connection) -> None:
    """What a child does: its work, until it is told to stop or its parent is gone."""
    os.nice(member.nice)
    threading.Thread(target=_watch_parent, args=(pipe,), daemon=True, name="watch-parent").start()
    logs.configure(name)
    try:
        with disk.explained(settings.data):
            metrics.reserve()
            member.work(settings, partial(_settled, pipe.send))
    except RapportError as error:
        structlog.get_logger().error("stopped", reason=str(error))
        raise SystemExit(1) from None


def _settled(ready: Callable[[Any], None], said: Any) -> None:
    """Say that the child is ready."""
    garbage.settle()
    ready(said)


def _watch_parent(pipe: Connection) -> None:
    try:
        pipe.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_WITHIN)
        os._exit(1)
