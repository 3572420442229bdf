"""Other processes reach a platform at the address that it listens on; a port that is taken is said in plain words."""

import os
import socket
from pathlib import Path

import pytest

from services.errors import RapportError
from services.runtime.files import Files, Running, announce, find_running
from services.runtime.platform import Platform
from services.runtime.settings import Settings

CONFIG = Path(__file__).parents[2] / "config"


def running(host: str) -> Running:
    given = {"pid": os.getpid(), "port": 8080, "clickhouse_port": 8123, "admin_key": "key", "host": host}
    return Running(**{name: given.get(name, "") for name in Running._fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("127.0.0.2", "http://127.0.0.2:8080"),
        ("crm.internal", "http://crm.internal:8080"),
    ],
)
def test_it_is_reached_where_it_listens(tmp_path: Path, host: str, url: str) -> None:
    announce(Files(tmp_path), running(host))
    found = find_running(Files(tmp_path))
    assert found == running(host) and found.url == url


@pytest.mark.parametrize(("option", "taken"), [("--port", "port"), ("--clickhouse-port", "clickhouse_port")])
def test_a_port_that_is_taken_is_said_once_and_plainly(tmp_path: Path, option: str, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = Settings(data=tmp_path, config=CONFIG, **{"port": 0, "clickhouse_port": 0, taken: port})
        with pytest.raises(RapportError) as told:
            Platform(settings).start()
    said = f"port {port} on 127.0.0.1 cannot be had (Address already in use): give another one with {option}"
    assert str(told.value) == said and not (tmp_path / "run.json").exists()
