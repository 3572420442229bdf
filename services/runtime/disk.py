"""When the disk fails for a while: which errors pass, how long to wait, and saying so once."""

import asyncio
import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from services.errors import RapportError, Retry
from services.runtime import metrics

RETRY = (0.2, 1.0, 2.0, 5.0)  # seconds until the next try, after so many failures in a row

_SQLITE = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
}  # fmt: skip
_SYSTEM = {errno.ENOSPC, errno.EDQUOT, errno.EIO}
_log = structlog.get_logger()


def passes(error: BaseException) -> bool:
    """Whether the same may work later: the disk is full, it fails, somebody else holds the file, or what is asked is
    away."""
    if isinstance(error, Retry):
        return True
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE  # the low byte is the kind (sqlite.org/rescode)
    return isinstance(error, OSError) and error.errno in _SYSTEM


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Inside, an error of the disk that holds `folder` becomes a RapportError that says what to do."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        if not passes(error):
            raise
        raise RapportError(
            f"the data folder {folder} cannot be used now ({error}): look whether its disk is full or failing,"
            " make room, and start again. Nothing that was accepted is lost"
        ) from None


class Trouble:
    """How a part of the platform does. A change is logged once; /readyz and the metric `rapport_failing` tell it."""

    def __init__(self, part: str):
        self._part, self.failures = part, 0
        self._gauge = metrics.FAILING.labels(part)
        self._gauge.set(0)

    def met(self, error: Exception) -> float:
        """It has failed (again). Returns the seconds until the next try."""
        if not self.failures:
            _log.error("it fails, and is tried again until it works", part=self._part, reason=str(error)[:1000])
            self._gauge.set(1)
        self.failures += 1
        return RETRY[min(self.failures, len(RETRY)) - 1]

    def over(self) -> None:
        """It has worked."""
        if self.failures:
            _log.info("it works again", part=self._part, failures=self.failures)
            self._gauge.set(0)
            self.failures = 0

    async def back_off(self, error: Exception, stop: asyncio.Event) -> None:
        """Wait for the next try, or until `stop` is set. Raises the error when it is none that passes."""
        if not passes(error):
            raise error
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), self.met(error))
