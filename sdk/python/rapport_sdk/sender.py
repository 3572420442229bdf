"""The thread that brings the buffer to the platform: batches, waits after failures, verdicts.

An event leaves the buffer when the platform has answered for it, and not before. What a crash lets be sent twice
carries the same message id, by which the platform knows it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from random import uniform
from threading import Event, Thread
from time import monotonic

from rapport_sdk.buffer import Buffer
from rapport_sdk.problems import Rejection, log
from rapport_sdk.transport import Answer, Transport

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 30.0  # seconds, between two tries
_ORPHANS = 5.0  # seconds between two looks for the files of processes that are gone


class _Stopped(Exception):
    """The client is closed: what is left stays in the buffer."""


class Sender:
    """Sends `events` at once, or what there is `seconds` after the first."""

    def __init__(
        self,
        buffer: Buffer,
        transport: Transport,
        events: int,
        seconds: float,
        on_error: Callable[[Rejection], None],
    ):
        self._buffer, self._transport, self._on_error = buffer, transport, on_error
        self._events, self._seconds = events, seconds
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="rapport-sdk", daemon=True)
        self.trouble = ""  # why the last try failed; empty when it did not

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more. What is under way ends by itself; its answer comes too late to count."""
        self._stopping.set()

    def _run(self) -> None:
        try:
            look = monotonic() + _ORPHANS
            while not self._stopping.is_set():
                if monotonic() >= look:
                    self._buffer.adopt()
                    look = monotonic() + _ORPHANS
                lines = self._buffer.batch(self._events, self._seconds, _ORPHANS)
                if lines:
                    self._deliver(lines)
        except _Stopped:
            pass
        finally:
            self._transport.close()

    def _deliver(self, lines: list[bytes]) -> None:
        """Send these, in their order, until each has been answered for; a batch refused as a whole is halved."""
        parts = [lines]
        while parts:
            part = parts.pop()
            answer = self._answered(part)
            if answer.status == 200:
                self._hear(part, answer)
            elif len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
                continue
            else:
                self._tell(part[0], {"code": answer.code, "reason": answer.reason})
            self._buffer.settle(part)

    def _answered(self, lines: list[bytes]) -> Answer:
        """Send until there is an answer for these events: a 200, or that something is wrong with them."""
        longest = _FIRST_WAIT
        while not self._stopping.is_set():
            answer = self._transport.post(lines)
            if answer.status == 200 or _blames(answer, lines):
                self._recovered()
                return answer
            self._failed(answer)
            self._stopping.wait(max(answer.after, uniform(longest / 2, longest)))
            longest = min(longest * 2, _LONGEST_WAIT)
        raise _Stopped

    def _failed(self, answer: Answer) -> None:
        said = f"{answer.status} {answer.reason}".strip() if answer.status else answer.reason
        if not self.trouble:
            level = logging.WARNING if answer.status in (0, 429) or answer.status >= 500 else logging.ERROR
            log.log(level, "events wait on disk, sending is tried again: %s", said)
        self.trouble = said

    def _recovered(self) -> None:
        if self.trouble:
            log.info("events are sent again")
        self.trouble = ""

    def _hear(self, lines: list[bytes], answer: Answer) -> None:
        for line, verdict in zip(lines, answer.items):
            if isinstance(verdict, dict) and verdict.get("status") == "rejected":
                self._tell(line, verdict)

    def _tell(self, line: bytes, verdict: dict[str, object]) -> None:
        said = {name: str(verdict.get(name, "")) for name in ("code", "reason", "field", "expected", "got", "hint")}
        try:
            event = json.loads(line)
        except ValueError:  # a damaged disk
            event = {"damaged": line.decode(errors="replace")}
        try:
            self._on_error(Rejection(event, **said))
        except Exception:
            log.exception("on_error raised an error")


def _blames(answer: Answer, lines: list[bytes]) -> bool:
    """Whether an event among these is at fault, to be found by halving the batch.

    A 400 must be the tracking API's own: a proxy in trouble says 400 to everything, and would empty the buffer.
    """
    return (answer.status in (400, 413) and answer.code != "") or (answer.status == 413 and len(lines) > 1)
