"""ClickHouse's HTTP interface over the engine in this process, read-only: what clients, notebooks and curl talk to.

It follows https://clickhouse.com/docs/interfaces/http in what reading clients need: /ping, queries by GET and POST,
`param_…`, settings in the URL, output formats, compression, exception codes in a header, streams. An error after the
first byte cuts the connection, so that no half answer looks whole.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from services.errors import Rejected
from services.runtime.warehouse import compression, failures
from services.runtime.warehouse.asking import ask
from services.runtime.warehouse.engine import Engine
from services.runtime.warehouse.limits import LARGEST_BODY
from services.runtime.warehouse.request import Question, fields, question
from services.runtime.warehouse.visitors import Visitors

THREADS = 4  # queries that run at a time
WAITING = 60  # queries that may wait for a thread; further ones are told to come again

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_log = structlog.get_logger()


class Endpoint:
    """An ASGI application."""

    def __init__(self, engine: Engine, visitors: Visitors):
        self._engine, self._visitors = engine, visitors
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="query")
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] in ("/ping", "/replicas_status"):
            await _whole(send, 200, [], b"Ok.\n")
            return
        try:
            asked = await self._question(scope, receive)
        except Rejected as error:
            await _fail(send, failures.of_rejected(error))
            return
        if asked is None:
            await _whole(send, 200, [], b"Ok.\n")
            return
        self._running += 1
        try:
            await self._answer(asked, _headers(scope).get("accept-encoding", ""), receive, send)
        finally:
            self._running -= 1

    async def _question(self, scope: Scope, receive: Receive) -> Question | None:
        """What is asked; None when nothing is, which ClickHouse answers with Ok."""
        headers = _headers(scope)
        body = await _body(receive)
        given, rest = fields(scope["query_string"], headers.get("content-type", ""), body)
        self._visitors.admit((scope.get("client") or ("", 0))[0], headers, given)
        if scope["path"] != "/":
            raise Rejected("denied", f"there is nothing at {scope['path'][:60]}", hint="ask at /")
        if self._running >= THREADS + WAITING:
            raise Rejected("busy", f"{self._running} queries are running or waiting", hint="come again in a moment")
        if scope["method"] == "GET" and not given.get("query") and not rest:
            return None
        return question(given, rest, headers, self._engine.table_functions)

    async def _answer(self, asked: Question, accepted: str, receive: Receive, send: Send) -> None:
        """Run it and send what comes."""
        pieces = ask(self._engine, asked)
        try:
            first = await self._next(pieces)
        except Rejected as error:
            await _fail(send, failures.of_rejected(error))
            return
        except RuntimeError as error:
            await _fail(send, failures.of_engine(error))
            return
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await self._stream(asked, accepted, first, pieces, gone, send)
        finally:
            gone.cancel()
            await asyncio.get_running_loop().run_in_executor(self._threads, pieces.close)  # type: ignore[attr-defined]

    async def _stream(
        self,
        asked: Question,
        accepted: str,
        piece: bytes,
        pieces: Iterator[bytes],
        gone: "asyncio.Future[None]",
        send: Send,
    ) -> None:
        """The answer from its first piece on, until it ends or nobody listens any more."""
        small = len(piece) < compression.LEAST
        chosen = None if small and asked.buffered else compression.choose(accepted)
        headers = _about(asked)
        if chosen:
            headers.append((b"content-encoding", chosen[0].encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while piece and not gone.done():
            sent = chosen[1].compress(piece) if chosen else piece
            if sent:
                await send({"type": "http.response.body", "body": sent, "more_body": True})
            try:
                piece = await self._next(pieces)
            except (RuntimeError, Rejected) as error:
                _log.warning("a query failed after its first rows", reason=str(error)[:500])
                return  # without an end to the response the connection is cut
        await send({"type": "http.response.body", "body": chosen[1].flush() if chosen else b"", "more_body": False})

    async def _next(self, pieces: Iterator[bytes]) -> bytes:
        """The next piece, made in a thread; empty at the end."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, next, pieces, b"")

    def close(self) -> None:
        """Wait for what is running."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def _body(receive: Receive) -> bytes:
    """The request's body. Raises Rejected when it is too large."""
    whole = bytearray()
    while True:
        message = await receive()
        whole += message.get("body", b"")
        if len(whole) > LARGEST_BODY:
            raise Rejected("large", f"the request is longer than {LARGEST_BODY} bytes")
        if not message.get("more_body"):
            return bytes(whole)


async def _gone(receive: Receive) -> None:
    """Returns when the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _about(asked: Question) -> Headers:
    """The headers that clients look at."""
    return [
        (b"content-type", b"text/plain; charset=UTF-8"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-clickhouse-query-id", asked.query_id.encode()),
        (b"x-clickhouse-format", asked.format.encode()),
        (b"x-clickhouse-timezone", b"UTC"),
        (b"x-clickhouse-server-display-name", b"rapport"),
    ]


async def _fail(send: Send, failure: failures.Failure) -> None:
    headers = [(b"x-clickhouse-exception-code", str(failure.code).encode())]
    if failure.code == 516:
        headers.append((b"www-authenticate", b'Basic realm="rapport"'))
    await _whole(send, failure.status, headers, failure.text.encode())


async def _whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    about = [(b"content-type", b"text/plain; charset=UTF-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*about, *headers]})
    await send({"type": "http.response.body", "body": body})
