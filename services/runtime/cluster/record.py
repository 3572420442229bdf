"""cluster.json: which process watches over the cluster of a folder, and where everything is. Only its user can read it.

Which processes there are is in their pid files: process.py.
"""

import fcntl
import os
from pathlib import Path
from typing import IO

import msgspec

from services.errors import RapportError
from services.runtime.cluster.process import Born, Process, born
from services.runtime.settings import Settings


class Record(msgspec.Struct, frozen=True):
    """Addresses are as the settings of workers have them; `api` is empty when there are no workers."""

    parent: Born
    kafka: str
    redis: str
    clickhouse: str
    api: str


def write(folder: Path, settings: Settings, services_only: bool) -> None:
    """Write it as a whole, for this process's cluster."""
    ours = born(os.getpid())
    assert ours
    api = "" if services_only else f"http://{settings.host}:{settings.port}"
    told = Record(ours, settings.kafka, settings.redis, settings.clickhouse, api)
    partial = folder / "cluster.json.new"
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(msgspec.json.format(msgspec.json.encode(told)))
    partial.replace(folder / "cluster.json")


def read(folder: Path) -> Record | None:
    """What was written last, by a cluster that runs or not; None when there is nothing that can be read."""
    try:
        return msgspec.json.decode((folder / "cluster.json").read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def parent(folder: Path) -> int | None:
    """The pid of the process that watches over this folder's cluster, while it lives."""
    told = read(folder)
    return told.parent.pid if told and born(told.parent.pid) == told.parent else None


def processes(folder: Path) -> list[Process]:
    """Every process that was started here and did not end well, running or not, by its pid file."""
    return [Process(folder, path.stem) for path in sorted(folder.glob("*.pid"))]


def left_running(folder: Path) -> list[Process]:
    """Those that run."""
    return [process for process in processes(folder) if process.pid is not None]


def take(folder: Path) -> IO[str]:
    """The lock on the folder, until it is closed. Raises RapportError when another process has it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        pid = parent(folder)
        raise RapportError(
            f"a cluster runs already in {folder}{f' (process {pid})' if pid else ''}: look at it with"
            f" `rapport cluster status --data {folder}`, stop it with `rapport cluster down --data {folder}`,"
            " or give this one a folder and ports of its own"
        ) from None
    return lock
