"""The collector process: it answers over HTTP, and writes log.db."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import structlog
import uvloop

from services.configuration import load_config
from services.runtime import collecting, guard
from services.runtime.clock import of_log, wall
from services.runtime.files import Files
from services.runtime.journal import Journal
from services.runtime.profiles import ProfileReader
from services.runtime.readiness import Readiness
from services.runtime.settings import Settings
from services.runtime.sqlite_records import SqliteRecords
from services.runtime.streams import api as streams
from services.runtime.streams.following import Following
from services.runtime.timeline import WarehouseTimeline
from services.runtime.trimming import Trimming

BEHIND = 60_000  # ms that the machine's clock may be behind the log's without a word


def serve(settings: Settings, ready: Callable[[Any], None]) -> None:
    """Run until SIGTERM. Says its port when it is ready."""
    uvloop.run(_serve(settings, ready))


async def _serve(settings: Settings, ready: Callable[[Any], None]) -> None:
    files, config = Files(settings.data.resolve()), load_config(settings.config)
    clock = of_log(files.log)
    if (behind := clock() - wall()) > BEHIND:
        told = "the machine's clock is behind the log's: everything gets the same stamp until it has caught up"
        structlog.get_logger().warning(told, seconds=behind // 1_000)
    journal = Journal(files.log, clock)
    listener = collecting.listen(settings.host, settings.port)
    following, shown = Following(files.state), collecting.registry()
    given = collecting.Given(
        journal, clock, ProfileReader(SqliteRecords(files.state), config.identity, config.definitions, clock),
        WarehouseTimeline(settings, f"http://127.0.0.1:{settings.clickhouse_port}"),
        Readiness(files, shown).reasons, streams.router(following, config.definitions, guard.reader(settings)), shown,
    )  # fmt: skip
    app = collecting.collector(settings, config, given)
    trimming = asyncio.create_task(Trimming(files, settings, clock).run_log(journal))
    ready(listener.getsockname()[1])
    with contextlib.closing(journal):
        await collecting.answer(app, listener, following.end)
        trimming.cancel()
