"""One program of the cluster: started detached, with a log file of its own, and found again by its pid file.

Whoever knows the folder and the name can ask whether it runs, stop it or kill it: another process, too. A pid alone
proves nothing, since the kernel gives it out again; with the instant at which its process began it does.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from services.errors import RapportError

STOP_WITHIN = 20.0  # seconds until a program that was asked to stop is killed
LARGEST_LOG = 10_000_000  # bytes; a larger one is put aside when its program is started again
_PAUSE = 0.03  # seconds between two looks at a program


class Born(NamedTuple):
    """A process, told apart from every other that ever had its pid."""

    pid: int
    ticks: int  # when it began, in clock ticks since the machine's start: /proc/PID/stat, field 22


class Process:
    """`NAME.pid` and `NAME.log` in `folder`."""

    def __init__(self, folder: Path, name: str):
        self.name, self.folder = name, folder
        self.log = folder / f"{name}.log"
        self._record = folder / f"{name}.pid"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The pid while it runs, else None."""
        if self._child is not None:
            self._child.poll()  # so that one that ended does not stay as a zombie
        try:
            pid, ticks = map(int, self._record.read_text().split())
        except (OSError, ValueError):
            return None
        return pid if born(pid) == Born(pid, ticks) else None

    def start(
        self, command: Sequence[str], place: Path | None = None, *, said: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Start it in the folder `place` (else the cluster's), and give it `said` on its standard input. Ctrl-C on our
        terminal does not reach it. Raises RapportError when it runs already or cannot be started."""
        if (pid := self.pid) is not None:
            raise RapportError(f"{self.name} runs already in {self.folder} (process {pid})")
        self._put_log_aside()
        with self.log.open("ab") as log:
            try:
                self._child = subprocess.Popen(
                    command, cwd=place or self.folder, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise RapportError(
                    f"{self.name} cannot be started: {command[0]}: {os.strerror(error.errno or 0)}"
                ) from None
        if (found := born(self._child.pid)) is not None:
            self._record.write_text(f"{found.pid} {found.ticks}\n")
        assert self._child.stdin
        try:
            self._child.stdin.write(said)
            self._child.stdin.close()
        except BrokenPipeError:
            pass  # it ended at once: who waits for it says why

    def wait_until(self, ready: Callable[[], bool], within: float) -> None:
        """Wait until it is ready. Raises RapportError with its last words when it ends before, or takes too long."""
        deadline = time.monotonic() + within
        while not ready():
            if self.pid is None:
                raise RapportError(f"{self.name} ended before it was ready; {self.last_words()}")
            if time.monotonic() > deadline:
                raise RapportError(f"{self.name} was not ready within {within:.0f} s; {self.last_words()}")
            time.sleep(_PAUSE)

    def stop(self, within: float = STOP_WITHIN) -> None:
        """Ask it to stop; kill it when it does not in time. What is not running any more is left alone."""
        self.ask_to_stop()
        deadline = time.monotonic() + within
        while self.pid is not None and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        self.kill()

    def ask_to_stop(self) -> None:
        """SIGTERM, and no waiting: several can be asked before the first is waited for."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9, and wait until it is gone. (One that hangs in the kernel is not waited for without end.)"""
        self._signal(signal.SIGKILL)
        deadline = time.monotonic() + STOP_WITHIN
        while self.pid is not None and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        if self.pid is None:
            self._record.unlink(missing_ok=True)

    def last_words(self, lines: int = 12) -> str:
        """Where its log is, and how it ends."""
        try:
            told = self.log.read_bytes()[-8_000:].decode(errors="replace").strip().splitlines()[-lines:]
        except OSError:
            told = []
        return "\n".join([f"its log {self.log} ends with:" if told else f"its log {self.log} is empty", *told])

    def _signal(self, number: int) -> None:
        if (pid := self.pid) is not None:
            with suppress(ProcessLookupError):  # it ended just now
                os.kill(pid, number)

    def _put_log_aside(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))


def born(pid: int) -> Born | None:
    """The process that has this pid now; None when there is none, or only what is left of one: a zombie without threads
    (as long as there are threads, its ports and files are in use)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before ")" may hold anything
    except OSError:
        return None
    ended = fields[0] in (b"Z", b"X") and int(fields[17]) <= 1
    return None if ended else Born(pid, int(fields[19]))
