"""The collector process: the tracking API, the profile API and the admin routes on one port. It writes log.db."""

import asyncio
import contextlib
import os
import signal
import socket
import uuid
from collections.abc import Callable
from typing import Any

import structlog
import uvicorn
import uvloop
from prometheus_client import CollectorRegistry, multiprocess

from services.configuration import Config, load_config
from services.ingest.api import TrackingApp
from services.ingest.application import application
from services.ingest.collect import Collector
from services.ingest.keys import WriteKeys
from services.ingest.metrics import IngestMetrics
from services.ingest.recent import Recent
from services.ingest.webhooks import receive
from services.profile import api, consent_api
from services.runtime import admin, guard, metrics
from services.runtime.bounded_http import BoundedHttp
from services.runtime.clock import LogClock, of_log, wall
from services.runtime.files import Files
from services.runtime.journal import Journal
from services.runtime.mail_back import api as mail_back
from services.runtime.mail_back.links import links_of
from services.runtime.profiles import ProfileReader
from services.runtime.readiness import Readiness
from services.runtime.settings import Settings
from services.runtime.streams import api as streams
from services.runtime.streams.following import Following
from services.runtime.timeline import WarehouseTimeline
from services.runtime.trimming import Trimming

BEHIND = 60_000  # ms that the machine's clock may be behind the log's without a word
BACKLOG = 2_048  # connections that may wait to be accepted


def serve(settings: Settings, ready: Callable[[Any], None]) -> None:
    """Run until SIGTERM. Says its port when it is ready."""
    uvloop.run(_serve(settings, ready))


async def _serve(settings: Settings, ready: Callable[[Any], None]) -> None:
    files = Files(settings.data.resolve())
    clock = of_log(files.log)
    if (behind := clock() - wall()) > BEHIND:
        told = "the machine's clock is behind the log's: everything gets the same stamp until it has caught up"
        structlog.get_logger().warning(told, seconds=behind // 1_000)
    journal = Journal(files.log, clock)
    listener = _listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    following = Following(files.state)
    app = _application(settings, files, journal, clock, following)
    config = uvicorn.Config(
        app, http=BoundedHttp, access_log=False, log_config=None, lifespan="off", backlog=BACKLOG,
        timeout_graceful_shutdown=5, server_header=False, ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True
        following.end()

    loop.add_signal_handler(signal.SIGTERM, stop)
    trimming = asyncio.create_task(Trimming(files, settings, clock).run_log(journal))
    ready(port)
    with contextlib.closing(journal):
        await server.serve([listener])
        trimming.cancel()


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        structlog.get_logger().error("the port cannot be had", host=host, port=port, reason=str(error))
        raise SystemExit(1) from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a short answer waits 40 ms for its end
    return listener


def _application(settings: Settings, files: Files, journal: Journal, clock: LogClock, following: Following) -> Any:
    config = load_config(settings.config)
    shown = CollectorRegistry()
    if metrics.SHARED in os.environ:
        multiprocess.MultiProcessCollector(shown)  # type: ignore[no-untyped-call]
    tracking = TrackingApp(
        Collector(config.identity, config.limits, new_id=lambda: str(uuid.uuid4()), plan=config.plan),
        WriteKeys(config.sources), journal, clock, Recent(), IngestMetrics(CollectorRegistry()),
    )  # fmt: skip
    people = ProfileReader(files.state, config.identity, config.definitions, clock)
    readers = guard.reader(settings)
    timeline = WarehouseTimeline(settings)
    routers = [
        api.router(people, timeline, readers),
        api.accounts_router(people, readers),
        consent_api.router(people, timeline, readers),
        streams.router(following, config.definitions, readers),
        receive.router(tracking, journal, clock, _webhooks(config)),
    ]
    if links := links_of(settings):
        routers.append(mail_back.router(tracking, clock, links))
    if settings.admin_key:
        routers.append(admin.router(journal, clock, settings.admin_key))
    return application(tracking, routers, Readiness(files, shown).reasons, shown)


def _webhooks(config: Config) -> dict[str, receive.Address]:
    """Where webhooks arrive. One whose secrets are not there is told of, and answers 503."""
    known = receive.addresses(config.sources, os.environ)
    for name, address in known.items():
        if address.lacks:
            structlog.get_logger().warning("a webhook cannot be received yet", source=name, reason=address.lacks)
    return known
