"""Ports of this machine."""

import os
import random
import socket
from collections.abc import Collection

from services.errors import RapportError

LOOPBACK = "127.0.0.1"


_CHOICE = range(20_000, 32_000)  # below those that the kernel gives to outgoing connections


def free_ports(count: int, besides: Collection[int] = ()) -> list[int]:
    """So many different ports that are free now, none of them `besides`. The kernel's own choice (port 0) would come
    from the range of outgoing connections: one of those could take the port before the service does, even the one that
    asks whether it listens."""
    found: list[int] = []
    for port in random.sample(_CHOICE, len(_CHOICE)):
        if len(found) == count:
            break
        if port not in besides and _is_free(port):
            found.append(port)
    return found


def require_free(port: int, option: str) -> None:
    """Raises RapportError, naming the option that chooses another, when the port is taken."""
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as error:
        raise RapportError(
            f"port {port} cannot be had ({os.strerror(error.errno or 0)}):"
            f" give another one with {option}; 0 takes any that is free"
        ) from None


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def _is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True
