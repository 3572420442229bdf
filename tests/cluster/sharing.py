"""One service for all processes of a test run: the first to ask starts it, the last to leave stops it."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from services.runtime.cluster.addresses import free_ports
from services.runtime.cluster.process import Born, born


class Startable(Protocol):
    """A service."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


Service = TypeVar("Service", bound=Startable)


def common_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all processes of this run have in common (pytest-xdist gives each one below it)."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@contextmanager
def shared(folder: Path, service: Callable[[int], Service]) -> Iterator[Service]:
    """What `service` makes for a port, which is the same for all. It is started and stopped once for all."""
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        users, chosen = _users(folder)
        port = chosen if users else free_ports(1)[0]
        made = service(port)
        if not users:
            _start(made)
        _write(folder, [*users, _ourselves()], port)
    try:
        yield made
    finally:
        with _locked(folder):
            users, chosen = _users(folder)
            others = [user for user in users if user != _ourselves()]
            if not others:
                made.stop()
            _write(folder, others, chosen)


def _start(service: Startable) -> None:
    try:
        service.start()
    except BaseException:
        service.stop()
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _users(folder: Path) -> tuple[list[Born], int]:
    """Who uses it and still lives, and its port."""
    try:
        told = json.loads((folder / "users.json").read_text())
    except FileNotFoundError:
        return [], 0
    users = [Born(*user) for user in told["users"]]
    return [user for user in users if born(user.pid) == user], told["port"]


def _write(folder: Path, users: list[Born], port: int) -> None:
    (folder / "users.json").write_text(json.dumps({"users": users, "port": port}))


def _ourselves() -> Born:
    found = born(os.getpid())
    assert found
    return found
