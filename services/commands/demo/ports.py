"""Say which port is taken, and what to do, before anything is started."""

import socket

from services.errors import RapportError
from services.runtime.settings import Settings


def check_free(settings: Settings) -> None:
    """Raise RapportError when a port that the platform needs belongs to another program."""
    wanted = [
        ("--port", "the tracking API's", settings.host, settings.port),
        ("--clickhouse-port", "ClickHouse's", "127.0.0.1", settings.clickhouse_port),
    ]
    for option, whose, host, port in wanted:
        try:
            socket.create_server((host, port)).close()
        except OSError as error:
            raise RapportError(
                f"{whose} port {port} on {host} cannot be had ({error.strerror}): stop the program that has it,"
                f" or choose another with {option} {port + 1} ({option} 0 takes any that is free)"
            ) from None
