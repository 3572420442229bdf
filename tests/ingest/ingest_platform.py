"""A whole tracking API over a journal in memory, spoken to as ASGI servers do."""

import asyncio
import base64
import json
from collections.abc import Sequence
from itertools import count
from typing import Any

import httpx
from fastapi import APIRouter
from prometheus_client import CollectorRegistry

from services.errors import Retry
from services.identifiers import DEFAULT_RULES
from services.ingest.api import TrackingApp
from services.ingest.application import application
from services.ingest.collect import Collector
from services.ingest.keys import WriteKeys
from services.ingest.metrics import IngestMetrics
from services.ingest.recent import Recent
from services.ingest.sources import Limits, Rate, Source

NOW = 1_770_000_000_000
SOURCES = (
    Source(name="web", write_key="key-web"),
    Source(
        name="shop", write_key="key-shop", trusted=True, channel="server", identifiers={"properties.email": "email"}
    ),
    Source(name="slow", write_key="key-slow", rate=Rate(per_second=2, burst=10)),
)


class MemoryJournal:
    """Keeps the lines; says Retry while `full`."""

    def __init__(self) -> None:
        self.touchpoints: list[bytes] = []
        self.rejected: list[bytes] = []
        self.full = False

    async def append(self, touchpoints: Sequence[bytes], rejected: Sequence[bytes]) -> None:
        if self.full:
            raise Retry("the disk is full", after=2.5)
        await asyncio.sleep(0)
        self.touchpoints += touchpoints
        self.rejected += rejected


class Platform:
    """The application with its journal and its clock, which stands still unless it is moved."""

    def __init__(self, limits: Limits, routers: Sequence[APIRouter] = ()) -> None:
        self.journal, self.now, self.registry = MemoryJournal(), NOW, CollectorRegistry()
        self.reasons: list[str] = []
        made = count(1)
        collector = Collector(DEFAULT_RULES, limits, lambda: f"made-{next(made)}")
        metrics = IngestMetrics(self.registry)
        self.tracking = TrackingApp(collector, WriteKeys(SOURCES), self.journal, lambda: self.now, Recent(), metrics)
        self.app: Any = application(self.tracking, routers, lambda: self.reasons, self.registry)

    @property
    def touchpoints(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.journal.touchpoints]

    @property
    def rejected(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.journal.rejected]

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        async def talk() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://rapport") as client:
                return await client.request(method, path, **given)

        return asyncio.run(talk())

    def post(self, path: str, body: Any, key: str = "key-web", **headers: str) -> httpx.Response:
        """POST bytes as they are, anything else as JSON; `key` empty: without authorization."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if key:
            headers["authorization"] = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", path, content=data, headers=named)
