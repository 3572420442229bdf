"""A small HTTP client that keeps connections open and takes little CPU from the platform that it shares a machine with.

It speaks just enough HTTP/1.1 for the platform's APIs: one request at a time on a connection, answers with a
content-length. In turn with `hey -c 64` (Debian's package) it showed the same requests per second within 10 %: on
average of four runs 3,540 and 3,220 on a busy machine; hey takes more of the CPU that both share with the platform.
"""

import asyncio
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import cast

from services.errors import RapportError

_SAID = b'{"accepted":'  # how the tracking API's answer begins


def request(path: str, write_key: str, body: bytes) -> bytes:
    """A POST, ready to be sent."""
    key = b64encode(write_key.encode() + b":")
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic %b\r\nContent-Type: application/json\r\n"
    return (head + b"Content-Length: %d\r\n\r\n%b") % (path.encode(), key, len(body), body)


def look_up(path: str) -> bytes:
    """A GET, ready to be sent. `path` is escaped already."""
    return b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode()


def accepted(answer: bytes) -> int:
    """How many events the tracking API says that it accepted; -1 when it does not."""
    start = answer.find(b"\r\n\r\n") + 4
    if not answer.startswith(b"HTTP/1.1 200") or not answer.startswith(_SAID, start):
        return -1
    start += len(_SAID)
    return int(answer[start : answer.index(b",", start)])


def found(answer: bytes) -> int:
    """1 for the profile of a person; -1 for every other answer."""
    return 1 if answer.startswith(b"HTTP/1.1 200") and b'"profile_id":' in answer else -1


class Connection(asyncio.Protocol):
    """One connection. `send` sends a request; `done` hears the whole answer.

    The platform hangs up when nothing was sent for five seconds; the next request opens it again.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._transport: asyncio.WriteTransport | None = None
        self._opening: asyncio.Task[None] | None = None
        self._message = b""  # to be sent when the connection is open
        self._done: Callable[[bytes], None] | None = None
        self._got = b""

    async def open(self) -> None:
        """Connect to the platform on this machine."""
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        if self._message:
            self._transport.write(self._message)
            self._message = b""

    def send(self, message: bytes, done: Callable[[bytes], None]) -> None:
        """Send; `done(answer)` is called when all of the answer is here, with nothing when the other side hangs up."""
        assert self._done is None
        self._done = done
        if self._transport is not None:
            self._transport.write(message)
        else:
            self._message, self._opening = message, asyncio.create_task(self.open())

    def data_received(self, data: bytes) -> None:
        got = self._got = self._got + data if self._got else data
        head = got.find(b"\r\n\r\n")
        if head < 0:
            return
        at = got.find(b"content-length: ", 0, head + 2) + 16
        if len(got) < head + 4 + int(got[at : got.index(b"\r", at)]):
            return
        self._got = b""
        self._answer(got)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._done:
            self._answer(b"")

    def _answer(self, answer: bytes) -> None:
        done, self._done = self._done, None
        if done:
            done(answer)

    def close(self) -> None:
        """Hang up."""
        if self._transport:
            self._transport.close()


async def connect(port: int, count: int) -> list[Connection]:
    """So many open connections to the platform on this machine."""
    opened = [Connection(port) for _ in range(count)]
    await asyncio.gather(*(connection.open() for connection in opened))
    return opened


def close(connections: Sequence[Connection]) -> None:
    """Hang up on all of them."""
    for connection in connections:
        connection.close()


class Load:
    """Keeps connections busy with requests, until so many were started as are allowed.

    `make` gives the next request; `count` what an answer tells, events accepted or people found, which must be `size`
    each time and is summed up as `counted`; `due(n)` the instant (perf_counter) at which the n-th should leave, which
    is what its wait counts from, so that a stall is not hidden by the requests that it held back ("coordinated
    omission").
    """

    def __init__(
        self, connections: Sequence[Connection], make: Callable[[], bytes], size: int,
        due: Callable[[int], float] = lambda n: perf_counter(), count: Callable[[bytes], int] = accepted,
    ):  # fmt: skip
        self._free, self._all = deque(connections), len(connections)
        self._make, self._size, self._due, self._count = make, size, due, count
        self._allowed = self._started = 0.0
        self._failed = b""
        self.counted = 0
        self.waits: list[float] = []  # seconds from due to answered, a request each

    def allow(self, requests: float) -> None:
        """Start requests as connections are free, until there were so many. Raises RapportError after a refusal."""
        if self._failed:
            raise RapportError(f"the platform did not answer every request as it should: {self._failed.decode()[:500]}")
        self._allowed = requests
        self._pump()

    async def finish(self) -> None:
        """Start nothing more, and wait for what is under way."""
        self.allow(0)
        while len(self._free) < self._all:
            await asyncio.sleep(0.005)
            self.allow(0)

    def _pump(self) -> None:
        while self._free and self._started < self._allowed:
            connection, due = self._free.popleft(), self._due(int(self._started))
            self._started += 1
            connection.send(self._make(), partial(self._hear, connection, due))

    def _hear(self, connection: Connection, due: float, answer: bytes) -> None:
        self.waits.append(perf_counter() - due)
        counted = self._count(answer)
        self.counted += max(0, counted)
        if counted != self._size:
            self._failed = answer or b"it hung up"
        self._free.append(connection)
        if not self._failed:
            self._pump()
