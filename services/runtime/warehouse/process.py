"""The warehouse process: owns the engine, copies the topics into it, and answers ClickHouse's HTTP interface."""

import contextlib
import signal
from collections.abc import Callable
from typing import Any

import structlog
import uvloop

from services.errors import RapportError
from services.runtime.files import Files
from services.runtime.settings import Settings
from services.runtime.warehouse import migrations
from services.runtime.warehouse.endpoint import Endpoint
from services.runtime.warehouse.engine import Engine
from services.runtime.warehouse.listening import answer, listen
from services.runtime.warehouse.topic_files import TopicFiles
from services.runtime.warehouse.visitors import Visitors, revealed
from services.runtime.warehouse.watermarks import WatermarkFile
from services.runtime.warehouse.writer import Writer

_log = structlog.get_logger()


def serve(settings: Settings, ready: Callable[[Any], None]) -> None:
    """Run until SIGTERM. Says its port when it is ready. Ends with status 1 and a reason in the log when the folder
    cannot be used, and loudly when the writer meets a bug."""
    files = Files(settings.data.resolve())
    try:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(listen(settings.clickhouse_port))
            engine = Engine(files.clickhouse)
            stack.callback(engine.close)
            watermarks = WatermarkFile(files.warehouse)
            stack.callback(watermarks.close)
            topics = TopicFiles(files)
            stack.callback(topics.close)
            watermarks.belong_to(migrations.apply(engine.writer))
            writer = Writer(engine.writer, watermarks, topics)
            writer.take_up()  # what does not fit is told before anybody is answered
            endpoint = Endpoint(engine, Visitors(revealed(settings.reader_password)))
            stack.callback(endpoint.close)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # ClickHouse's threads hear Ctrl-C; our parent stops us
            uvloop.run(answer(endpoint, listener, ready, writer.run, (signal.SIGTERM,)))
    except RapportError as error:
        _log.error("the warehouse does not start", reason=str(error))
        raise SystemExit(1) from None
