"""A collector, whichever log, people and warehouse it is given: the tracking API, the profile API and the admin routes
on one port. What it is given comes from collector.py, or from workers/ingest.py."""

import asyncio
import os
import signal
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import structlog
import uvicorn
from fastapi import APIRouter
from prometheus_client import REGISTRY, CollectorRegistry, multiprocess
from starlette.types import ASGIApp

from services.configuration import Config
from services.ingest import api as tracking_api
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
from services.runtime.mail_back import api as mail_back
from services.runtime.mail_back.links import links_of
from services.runtime.profiles import ProfileReader
from services.runtime.settings import Settings
from services.runtime.timeline import WarehouseTimeline

BACKLOG = 2_048  # connections that may wait to be accepted


class Journal(tracking_api.Journal, admin.Journal, Protocol):
    """The way onto the log."""


class Given(NamedTuple):
    """What differs between the ways to run.

    `clock` (epoch ms) stamps what comes, `reasons` says why the platform is not ready, `streams` answers under
    /v1/streams, and `refused` are the orders that nobody can carry out here, each with a sentence that says so.
    """

    journal: Journal
    clock: Callable[[], int]
    people: ProfileReader
    timeline: WarehouseTimeline
    reasons: Callable[[], Sequence[str]]
    streams: APIRouter
    shown: CollectorRegistry
    refused: Mapping[str, str] = {}


def registry() -> CollectorRegistry:
    """The metrics to show: of the whole family of processes, or of this one, which has none."""
    if metrics.SHARED not in os.environ:
        return REGISTRY
    shown = CollectorRegistry()
    multiprocess.MultiProcessCollector(shown)  # type: ignore[no-untyped-call]
    return shown


def collector(settings: Settings, config: Config, given: Given) -> ASGIApp:
    """Everything that a collector answers, as one ASGI application."""
    tracking = TrackingApp(
        Collector(config.identity, config.limits, new_id=lambda: str(uuid.uuid4()), plan=config.plan),
        WriteKeys(config.sources), given.journal, given.clock, Recent(), IngestMetrics(REGISTRY),
    )  # fmt: skip
    readers = guard.reader(settings)
    routers = [
        api.router(given.people, given.timeline, readers),
        api.accounts_router(given.people, readers),
        consent_api.router(given.people, given.timeline, readers),
        given.streams,
        receive.router(tracking, given.journal, given.clock, _webhooks(config)),
    ]
    if links := links_of(settings):
        routers.append(mail_back.router(tracking, given.clock, links))
    if settings.admin_key:
        routers.append(admin.router(given.journal, given.clock, settings.admin_key, given.refused))
    return application(tracking, routers, given.reasons, given.shown)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Says so and ends the process where the port cannot be had."""
    try:
        listener = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        structlog.get_logger().error("the port cannot be had", host=host, port=port, reason=str(error))
        raise SystemExit(1) from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a short answer waits 40 ms for its end
    return listener


async def answer(app: ASGIApp, listener: socket.socket, ending: Callable[[], None] = lambda: None) -> None:
    """Answer until SIGTERM. Then `ending` is called, nothing more is accepted, and what is under way is finished."""
    config = uvicorn.Config(
        app, http=BoundedHttp, access_log=False, log_config=None, lifespan="off", backlog=BACKLOG,
        timeout_graceful_shutdown=5, server_header=False, ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]

    def stop() -> None:
        server.should_exit = True
        ending()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    await server.serve([listener])


def _webhooks(config: Config) -> dict[str, receive.Address]:
    """Where webhooks arrive. One whose secrets are not there is told of, and answers 503."""
    known = receive.addresses(config.sources, os.environ)
    for name, address in known.items():
        if address.lacks:
            structlog.get_logger().warning("a webhook cannot be received yet", source=name, reason=address.lacks)
    return known
