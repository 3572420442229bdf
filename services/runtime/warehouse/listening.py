"""The address where ClickHouse's HTTP interface is answered, until a signal comes."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn

from services.errors import RapportError
from services.runtime.warehouse.endpoint import Endpoint

HOST = "127.0.0.1"
STOP_WITHIN = 5  # seconds that running queries get to end


async def answer(
    endpoint: Endpoint,
    listener: socket.socket,
    ready: Callable[[Any], None],
    work: Callable[[threading.Event], object],
    stops: Sequence[signal.Signals],
) -> None:
    """Say the port, and answer until one of the signals comes. `work` runs in a thread beside, until its event is set;
    when it ends before, so does this, with its error."""
    config = uvicorn.Config(
        endpoint, http="httptools", access_log=False, log_config=None, lifespan="off", ws="none",
        server_header=False, timeout_graceful_shutdown=STOP_WITHIN,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    stop = threading.Event()
    loop = asyncio.get_running_loop()
    for one in stops:
        loop.add_signal_handler(one, lambda: setattr(server, "should_exit", True))
    working = asyncio.create_task(asyncio.to_thread(work, stop))
    working.add_done_callback(lambda _: setattr(server, "should_exit", True))
    ready(listener.getsockname()[1])
    try:
        await server.serve([listener])
    finally:
        stop.set()
        await working


def listen(port: int) -> socket.socket:
    """The port of this machine. Raises RapportError when it cannot be had."""
    try:
        listener = socket.create_server((HOST, port), backlog=256)
    except OSError as error:
        raise RapportError(
            f"port {port} on {HOST} cannot be had ({os.strerror(error.errno or 0)}):"
            " give another one with --clickhouse-port"
        ) from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a short answer waits 40 ms for its end
    return listener
