"""Who has no admin key is not listened to: not one byte of a body is kept."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI

from services.ingest.weberrors import explain_errors
from services.runtime import admin


class NoJournal:
    """Nothing may be put onto the log."""

    async def put(self, lines: Any) -> None:
        raise AssertionError("something was put onto the log")


def told(path: str, key: str, pieces: int) -> tuple[int, int]:
    """The status of a POST whose body has so many pieces of 10 kB, and how many of them were asked for."""
    app, asked = FastAPI(), 0
    explain_errors(app)
    app.include_router(admin.router(NoJournal(), lambda: 0, "the-key"))  # type: ignore[arg-type]
    status: list[int] = []

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"x" * 10_000, "more_body": asked < pieces}

    async def send(message: dict[str, Any]) -> None:
        if "status" in message:
            status.append(message["status"])

    headers = [(b"authorization", f"Bearer {key}".encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": headers, "root_path": "", "scheme": "http", "server": ("here", 80), "state": {}}  # fmt: skip
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    return status[0], asked


@pytest.mark.parametrize("path", ["/v1/admin/commands", "/v1/admin/restore", "/v1/admin/ledger"])
def test_nobody_without_the_key_is_listened_to(path: str) -> None:
    assert told(path, "another-key", 1_000) == (401, 0)


def test_an_order_is_short_and_in_order() -> None:
    assert told("/v1/admin/commands", "the-key", 1) == (400, 1)
    status, asked = told("/v1/admin/commands", "the-key", 1_000)
    assert status == 413 and asked <= 3
