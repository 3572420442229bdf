"""ClickHouse's HTTP interface over chdb, alone in a process: what stands in for a ClickHouse server on one machine.

It answers as a server does in what the platform's workers and readers need (endpoint.py says what). It is one process
and no server: nothing is replicated, and the folder is its own. `rapport clickhouse` runs it.
"""

import contextlib
import signal
from collections.abc import Callable
from typing import Any

import uvloop

from services.runtime.files import Files
from services.runtime.settings import Settings
from services.runtime.warehouse.endpoint import Endpoint
from services.runtime.warehouse.engine import Engine
from services.runtime.warehouse.listening import answer, listen
from services.runtime.warehouse.visitors import Visitors, revealed


def serve(settings: Settings, ready: Callable[[Any], None]) -> None:
    """Answer at `clickhouse_port` until SIGTERM or Ctrl-C, with the tables in clickhouse/ of the data folder. Says its
    port when it is ready. Raises RapportError when port or folder cannot be used."""
    files = Files(settings.data.resolve())
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen(settings.clickhouse_port))
        files.clickhouse.mkdir(parents=True, exist_ok=True)
        engine = Engine(files.clickhouse)
        stack.callback(engine.close)
        passwords = map(revealed, (settings.reader_password, settings.writer_password))
        endpoint = Endpoint(engine, Visitors(*passwords))
        stack.callback(endpoint.close)
        uvloop.run(answer(endpoint, listener, ready, lambda stop: stop.wait(), (signal.SIGTERM, signal.SIGINT)))
