"""ClickHouse's HTTP interface over the engine in this process: what clients, notebooks and curl talk to. It is
read-only but for the user `writer`, whom there is only when a password was set for it.

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
from services.runtime.warehouse.limits import LARGEST_BODY, LARGEST_INSERT, WRITER_SETTINGS
from services.runtime.warehouse.orders import carry_out, order
from services.runtime.warehouse.request import Question, fields, parameters, query_id, question
from services.runtime.warehouse.visitors import Visitors

THREADS = 4  # queries that run at a time
WAITING = 60  # queries that may wait for a thread; further ones are told to come again
ORDERS = 6  # requests of the writer that may be there at a time, each with its body; one after the other is done

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
        self._ordered = ThreadPoolExecutor(1, thread_name_prefix="order")
        self._running = self._orders = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] in ("/ping", "/replicas_status"):
            await _whole(send, 200, [], b"Ok.\n")
            return
        headers, given = _headers(scope), {}
        try:
            given = parameters(scope["query_string"])
            writes = self._visitors.admit((scope.get("client") or ("", 0))[0], headers, given)
            if scope["path"] != "/":
                raise Rejected("denied", f"there is nothing at {scope['path'][:60]}", hint="ask at /")
            await (self._obey if writes else self._hear)(scope["method"], headers, given, receive, send)
        except Rejected as error:
            await _fail(send, failures.of_rejected(error))

    async def _obey(
        self, method: str, headers: dict[str, str], given: dict[str, str], receive: Receive, send: Send
    ) -> None:
        """A request of the writer's."""
        if self._orders >= ORDERS:
            raise Rejected("busy", f"{self._orders} orders are there", hint="come again in a moment")
        self._orders += 1
        try:
            body = await _body(receive, LARGEST_INSERT)
            body = compression.expand(body, headers.get("content-encoding", ""), LARGEST_INSERT)
            found, rest = fields(given, headers.get("content-type", ""), body)
            ordered = order(found, rest, self._engine.table_functions)
            if ordered:
                loop = asyncio.get_running_loop()
                rows = await loop.run_in_executor(self._ordered, carry_out, self._engine, ordered)
                about = [
                    (b"x-clickhouse-query-id", query_id(given).encode()),
                    (b"x-clickhouse-summary", b'{"written_rows":"%d"}' % rows),
                ]
                await _whole(send, 200, about, b"")
                return
        except RuntimeError as error:
            await _fail(send, failures.of_engine(error))
            return
        finally:
            self._orders -= 1
        asked = {name: value for name, value in found.items() if name not in WRITER_SETTINGS}
        await self._ask(method, headers | {"content-encoding": "identity"}, asked, rest, receive, send)

    async def _hear(
        self, method: str, headers: dict[str, str], given: dict[str, str], receive: Receive, send: Send
    ) -> None:
        """A request of a reader's."""
        found, rest = fields(given, headers.get("content-type", ""), await _body(receive, LARGEST_BODY))
        await self._ask(method, headers, found, rest, receive, send)

    async def _ask(
        self,
        method: str,
        headers: dict[str, str],
        given: dict[str, str],
        rest: bytes,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer what is asked; when nothing is, as ClickHouse does, Ok."""
        if self._running >= THREADS + WAITING:
            raise Rejected("busy", f"{self._running} queries are running or waiting", hint="come again in a moment")
        if method == "GET" and not given.get("query") and not rest:
            await _whole(send, 200, [], b"Ok.\n")
            return
        asked = question(given, rest, headers, self._engine.table_functions)
        self._running += 1
        try:
            await self._answer(asked, headers.get("accept-encoding", ""), receive, send)
        finally:
            self._running -= 1

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
        for threads in (self._threads, self._ordered):
            threads.shutdown(wait=True, cancel_futures=True)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


async def _body(receive: Receive, most: int) -> bytes:
    """The request's body. Raises Rejected when it is too large."""
    whole = bytearray()
    while True:
        message = await receive()
        whole += message.get("body", b"")
        if len(whole) > most:
            raise Rejected("large", f"the request is longer than {most} bytes")
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
