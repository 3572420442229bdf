"""A port that is taken is named before anything starts, with the option that chooses another."""

import socket
from pathlib import Path

import pytest

from services.commands.demo.ports import check_free
from services.errors import RapportError
from services.runtime.settings import Settings


@pytest.mark.parametrize("option, name", [("--port", "port"), ("--clickhouse-port", "clickhouse_port")])
def test_a_taken_port_is_named_with_the_option_that_chooses_another(tmp_path: Path, option: str, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        given = {"data": tmp_path, "port": 0, "clickhouse_port": 0, name: port}
        with pytest.raises(RapportError, match=rf"port {port} on 127.0.0.1 cannot be had.*{option} {port + 1}"):
            check_free(Settings(**given))


def test_free_ports_are_fine_and_stay_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for _ in range(2):
        check_free(Settings(data=tmp_path, port=port, clickhouse_port=0))
