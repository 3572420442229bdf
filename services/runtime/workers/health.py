"""What an orchestrator asks a worker: /livez, /readyz and /metrics on a port of their own (RAPPORT_HEALTH_PORT)."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from services.errors import RapportError

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Health:
    """An ASGI application. `reasons` says in sentences why the worker is not ready; none: it is."""

    def __init__(self, reasons: Callable[[], list[str]]):
        self._reasons = reasons

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path")
        if path == "/livez":
            await _answer(send, 200, b"ok\n")
        elif path == "/readyz":
            reasons = self._reasons()
            await _answer(send, 503 if reasons else 200, ("\n".join(reasons) or "ok").encode() + b"\n")
        elif path == "/metrics":
            await _answer(send, 200, generate_latest(REGISTRY), CONTENT_TYPE_LATEST)
        else:
            await _answer(send, 404, b"there are /livez, /readyz and /metrics\n")


@asynccontextmanager
async def answering(host: str, port: int, reasons: Callable[[], list[str]]) -> Any:
    """While inside, the three paths are answered. Gives the port. Raises RapportError when it cannot be had."""
    config = uvicorn.Config(
        Health(reasons), host=host, port=port, http="httptools", access_log=False, log_config=None, lifespan="off",
        ws="none", server_header=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    try:
        listener = config.bind_socket()
    except SystemExit:
        raise RapportError(f"port {port} on {host} cannot be had: give another one by RAPPORT_HEALTH_PORT") from None
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def _answer(send: Send, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
