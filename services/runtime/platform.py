"""A whole platform on one machine: the lock on its data folder, its files, its processes, and where to reach it."""

import os
import secrets
import socket
from contextlib import closing
from typing import IO

from services.configuration import load_config
from services.errors import RapportError
from services.pipeline import STAGES
from services.runtime import clock, disk, frames, metrics
from services.runtime.collector import serve as serve_collector
from services.runtime.engine_process import serve as serve_engine
from services.runtime.family import Family, Member
from services.runtime.files import Files, Running, announce, find_running, lock
from services.runtime.settings import Settings
from services.runtime.sqlite_state import StateFile
from services.runtime.warehouse.process import serve as serve_warehouse


class Platform:
    """Start it, use `running`, stop it. Raises RapportError when the folder is taken or a process does not start."""

    def __init__(self, settings: Settings):
        self._files = Files(settings.data.resolve())
        self._settings = settings.model_copy(
            update={
                "admin_key": settings.admin_key or secrets.token_urlsafe(24),
                "port": settings.port or _free_port(settings.host),
                "clickhouse_port": settings.clickhouse_port or _free_port("127.0.0.1"),
            }
        )
        members = {  # who sends an event waits for the answer; what is in the log waits safely
            "warehouse": Member(serve_warehouse, nice=6),
            "engine": Member(serve_engine, nice=3),
            "collector": Member(serve_collector),
        }
        self.family = Family(self._settings, members)
        self._lock: IO[str] | None = None

    def start(self) -> Running:
        """Everything up and ready when this returns."""
        load_config(self._settings.config)  # what is wrong is said here, once, before anything runs
        self._take_folder()
        self._check_ports()
        with disk.explained(self._files.folder):
            self._prepare()
        said = self.family.start()
        assert self._settings.admin_key is not None
        config = str(self._settings.config.resolve())
        running = Running(
            os.getpid(), said["collector"], said["warehouse"], self._settings.admin_key, config, self._settings.host
        )  # fmt: skip
        with disk.explained(self._files.folder):
            announce(self._files, running)
        return running

    def _prepare(self) -> None:
        """The files, and a life of the platform begun on the log, before any process uses them."""
        with closing(frames.open_file(self._files.log)) as log:
            clock.begin(log, clock.wall())
        frames.open_file(self._files.ledger).close()
        StateFile(self._files.state, STAGES).close()
        metrics.share(self._files.folder / "metrics")

    def stop(self) -> None:
        """Stop every process cleanly and give the folder back, if it was ours."""
        self.family.stop()
        if self._lock:
            self._files.running.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _check_ports(self) -> None:
        settings = self._settings
        for option, host, port in (
            ("--port", settings.host, settings.port),
            ("--clickhouse-port", "127.0.0.1", settings.clickhouse_port),
        ):
            try:
                socket.create_server((host, port)).close()
            except OSError as error:
                self.stop()
                raise RapportError(
                    f"port {port} on {host} cannot be had ({os.strerror(error.errno or 0)}):"
                    f" give another one with {option}"
                ) from None

    def _take_folder(self) -> None:
        with disk.explained(self._files.folder):
            self._lock = lock(self._files)
        if self._lock is None:
            running = find_running(self._files)
            where = f" at {running.url} (process {running.pid})" if running else ""
            raise RapportError(
                f"another Rapport already runs on {self._files.folder}{where}:"
                " stop it first, or give this one a folder of its own with --data"
            )


def _free_port(host: str) -> int:
    """A port that is free now, for those who ask for port 0."""
    with socket.create_server((host, 0)) as listener:
        return int(listener.getsockname()[1])
