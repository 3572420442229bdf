"""Nobody fills the memory or holds connections with requests that never become whole."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import uvicorn
import uvloop

from services.runtime import bounded_http
from services.runtime.bounded_http import MOST_HEAD, MOST_WAITING, BoundedHttp

Address = tuple[str, int]
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the size of the body, and hangs up unless the path is /again."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/late":
        await asyncio.sleep(0.1)
    headers = [] if scope["path"] == "/again" else [(b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(size).encode()})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """A server that waits half a second for heads."""
    monkeypatch.setattr(bounded_http, "SECONDS", 0.5)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application, http=BoundedHttp, log_config=None, lifespan="off", ws="none", timeout_keep_alive=1
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: uvloop.run(running.serve([listener])))
    thread.start()
    yield listener.getsockname()
    running.should_exit = True
    thread.join(10)


def sent(server: Address, *parts: bytes) -> tuple[int, bytes]:
    """How many of these bytes the server took before it hung up, and what it answered; nothing more is sent."""
    taken, answer = 0, b""
    with closing(socket.create_connection(server, timeout=10)) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                taken += len(part)
            while piece := connection.recv(65_536):
                answer += piece
        except ConnectionError:
            pass
    return taken, answer


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X: ",
        b"GET /",
        b"GET /?a=",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    ],
    ids=["header", "path", "query", "chunk's extension", "trailer"],
)
def test_what_never_ends_is_not_read_for_ever(server: Address, head: bytes) -> None:
    endless = [b"a" * 10_000] * 2_000
    taken, _ = sent(server, head, *endless)
    assert taken < 100 * MOST_HEAD  # some of it lies in the buffers of the network


def test_many_small_headers_are_too_many_too(server: Address) -> None:
    taken, _ = sent(server, HEAD, *[b"a: b\r\n" * 1_000] * 3_000)
    assert taken < 100 * MOST_HEAD


def test_a_head_that_is_a_little_too_large_is_answered(server: Address) -> None:
    assert sent(server, HEAD + b"X: " + b"a" * (MOST_HEAD + 1))[1].startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("begun", [b"", b"POST", HEAD, b"\r\n"])
def test_a_connection_without_a_whole_head_is_closed(server: Address, begun: bytes) -> None:
    assert sent(server, begun)[1] == b""


def test_a_long_body_is_the_business_of_the_application(server: Address) -> None:
    parts = [b"a" * 10_000] * 100
    assert sent(server, HEAD + b"Content-Length: 1000000\r\n\r\n", *parts)[1].find(b"1000000") > 0
    chunks = [b"2710\r\n" + part + b"\r\n" for part in parts]
    assert sent(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n")[1].find(b"1000000") > 0


def test_a_connection_queues_a_bounded_number_of_requests(server: Address) -> None:
    few, many = (b"GET /again HTTP/1.1\r\n\r\n" * count for count in (MOST_WAITING, MOST_WAITING * 2))
    assert sent(server, few)[1].count(b"HTTP/1.1 200") == MOST_WAITING
    assert sent(server, many)[1].count(b"HTTP/1.1 200") < MOST_WAITING * 2


def test_an_answer_that_nobody_hears_is_no_error(server: Address, caplog: pytest.LogCaptureFixture) -> None:
    """The second request is none, so the connection is closed before the first has its answer."""
    for after in (b"nonsense\r\n\r\n", b"GET /again HTTP/1.1\r\n\r\nnonsense\r\n\r\n"):
        assert sent(server, b"GET /late HTTP/1.1\r\n\r\n" + after)[1].startswith(b"HTTP/1.1 400 ")
    time.sleep(0.3)
    assert "ASGI" not in caplog.text
