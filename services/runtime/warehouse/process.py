"""The warehouse process: owns the engine, copies the topics into it, and answers ClickHouse's HTTP interface."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import structlog
import uvicorn
import uvloop

from services.errors import RapportError
from services.runtime.files import Files
from services.runtime.settings import Settings
from services.runtime.warehouse import migrations
from services.runtime.warehouse.endpoint import Endpoint
from services.runtime.warehouse.engine import Engine
from services.runtime.warehouse.topic_files import TopicFiles
from services.runtime.warehouse.visitors import Visitors
from services.runtime.warehouse.watermarks import Watermarks
from services.runtime.warehouse.writer import Writer

HOST = "127.0.0.1"
STOP_WITHIN = 5  # seconds that running queries get to end

_log = structlog.get_logger()


def serve(settings: Settings, ready: Callable[[Any], None]) -> None:
    """Run until SIGTERM. Says its port when it is ready. Ends with status 1 and a reason in the log when the folder
    cannot be used, and loudly when the writer meets a bug."""
    files = Files(settings.data.resolve())
    try:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(_listen(settings.clickhouse_port))
            engine = Engine(files.clickhouse)
            stack.callback(engine.close)
            watermarks = Watermarks(files.warehouse)
            stack.callback(watermarks.close)
            topics = TopicFiles(files)
            stack.callback(topics.close)
            writer = Writer(engine.writer, watermarks, topics, migrations.apply(engine.writer))
            password = settings.reader_password.get_secret_value() if settings.reader_password else ""
            endpoint = Endpoint(engine, Visitors(password))
            stack.callback(endpoint.close)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # ClickHouse's threads hear Ctrl-C; our parent stops us
            uvloop.run(_serve(endpoint, writer, listener, ready))
    except RapportError as error:
        _log.error("the warehouse does not start", reason=str(error))
        raise SystemExit(1) from None


async def _serve(endpoint: Endpoint, writer: Writer, listener: socket.socket, ready: Callable[[Any], None]) -> None:
    config = uvicorn.Config(
        endpoint, http="httptools", access_log=False, log_config=None, lifespan="off", ws="none",
        server_header=False, timeout_graceful_shutdown=STOP_WITHIN,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    stop = threading.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: setattr(server, "should_exit", True))
    copying = asyncio.create_task(asyncio.to_thread(writer.run, stop))
    copying.add_done_callback(lambda _: setattr(server, "should_exit", True))
    ready(listener.getsockname()[1])
    try:
        await server.serve([listener])
    finally:
        stop.set()
        await copying


def _listen(port: int) -> socket.socket:
    try:
        listener = socket.create_server((HOST, port), backlog=256)
    except OSError as error:
        raise RapportError(
            f"port {port} on {HOST} cannot be had ({os.strerror(error.errno or 0)}):"
            " give another one with --clickhouse-port"
        ) from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a short answer waits 40 ms for its end
    return listener
