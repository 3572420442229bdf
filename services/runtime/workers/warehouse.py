"""`rapport worker warehouse`: copies the topics from Kafka into ClickHouse. Several of them share the partitions.

A worker that is killed, put out of the group or stopped for a minute costs nothing but time: rows replace by position,
and a watermark is noted after its rows and never goes back. So nothing has to keep a late worker from writing.
"""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from services.errors import RapportError
from services.runtime.clickhouse_writer import connect, ddl
from services.runtime.kafka import topics
from services.runtime.settings import Settings
from services.runtime.warehouse import migrations
from services.runtime.warehouse.topic_partitions import TopicPartitions
from services.runtime.warehouse.watermark_table import WatermarkTable
from services.runtime.warehouse.writer import FEEDS, Writer
from services.runtime.workers.health import answering


def serve(settings: Settings, ready: Callable[[Any], None]) -> None:
    """Copy until SIGTERM. Says its health port when it is ready. Raises RapportError when it cannot start, and when log
    and warehouse do not belong together; while Kafka or ClickHouse is away it waits and tries again."""
    topics.check(settings)
    with contextlib.ExitStack() as stack:
        client = connect(settings)
        stack.callback(client.close)
        try:
            migrations.apply(client, rewrite=partial(ddl, settings))
        except ClickHouseError as error:
            raise RapportError(f"the tables of the warehouse could not be made: {str(error).strip()}") from None
        source = TopicPartitions(settings, list(FEEDS))
        stack.callback(source.close)
        asyncio.run(_run(settings, Writer(client, WatermarkTable(client), source), ready))


async def _run(settings: Settings, writer: Writer, ready: Callable[[Any], None]) -> None:
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)

    def reasons() -> list[str]:
        return ["Kafka or ClickHouse is away: the log says more"] if writer.trouble.failures else []

    async with answering(settings.host, settings.health_port, reasons) as port:
        ready(port)
        await asyncio.to_thread(writer.run, stop)
