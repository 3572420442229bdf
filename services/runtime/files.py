"""Where everything lies in the data folder, and which process writes it.

log.db         touchpoints and rejected items       collector
state.db       records, watermarks, published topics engine
ledger.db      follow-ups and what became of them    engine (delivery)
warehouse.db   the warehouse's watermarks            warehouse
clickhouse/    chdb                                  warehouse
run.json       the running platform's ports and key  rapport up
"""

import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any, NamedTuple


class Files(NamedTuple):
    """The paths below one data folder."""

    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log.db"

    @property
    def state(self) -> Path:
        return self.folder / "state.db"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.db"

    @property
    def clickhouse(self) -> Path:
        return self.folder / "clickhouse"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def running(self) -> Path:
        return self.folder / "run.json"


class Running(NamedTuple):
    """How to reach a platform that is up, and the configuration folder that it works by: read from run.json, which only
    its user can read."""

    pid: int
    port: int
    clickhouse_port: int
    admin_key: str
    config: str
    host: str

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host  # which is every address of this machine
        return f"http://{host}:{self.port}"


def lock(files: Files) -> IO[str] | None:
    """The lock of the folder, which is made; it lasts until the file is closed. None while another process has it."""
    files.folder.mkdir(parents=True, exist_ok=True)
    held = files.lock.open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        return None
    return held


def announce(files: Files, running: Running) -> None:
    """Write run.json, readable for this user only."""
    descriptor = os.open(files.running, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(running._asdict(), out)


def find_running(files: Files) -> Running | None:
    """The platform that is up on this folder, or None."""
    try:
        found: dict[str, Any] = json.loads(files.running.read_text())
        running = Running(**found)
        os.kill(running.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return running


def cache_folder() -> Path:
    """Where what was fetched from the network is kept between runs: $XDG_CACHE_HOME/rapport, else ~/.cache/rapport."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "rapport"
