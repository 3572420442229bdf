"""Whatever comes over a connection, to any route: afterwards the platform answers, and the books balance."""

import json
import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import httpx

from services.automation.links import About, Links, key_of
from services.ingest.api import ROUTES
from services.ingest.pixel import PIXELS
from tests.e2e.running import Platform, eventually
from tests.fuzz.conftest import LINKS

REQUESTS = 400
PATHS = (
    *ROUTES, *PIXELS, "/v1/webhooks/mails", "/v1/webhooks/calls", "/v1/webhooks/chats", "/v1/webhooks/wecom",
    "/v1/projects/key-web/settings", "/v1/profiles/by/user_id/ann", "/v1/profiles/x/timeline", "/v1/profiles/x/consent",
    "/v1/accounts/acme", "/v1/streams/profiles?follow=false", "/v1/streams/actions?from=now&follow=false",
    "/v1/admin/commands", "/v1/admin/restore", "/v1/admin/ledger", "/m/o/x.gif", "/m/c/x", "/m/u/x", "/docs", "/",
    "/docs/static/../../etc/passwd", "/openapi.json", "/metrics", "/healthz", "/rapport.js", "/v1/m", "/nowhere",
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "CONNECT", "G\0T")
HEADERS = (
    "Host: [", "Host: ", "Content-Length: 5", "Content-Length: 99", "Content-Length: -1", "Content-Length: 1e3",
    "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Content-Encoding: gzip", "Expect: 100-continue",
    "Connection: upgrade", "Upgrade: websocket", "Authorization: Basic a2V5LXdlYjo=", "Authorization: Basic \xff",
    "Authorization: Bearer ", "Content-Type: application/json", "Range: bytes=9-1", "If-None-Match: *",
    "X: " + "a" * 20_000,
    "X-Hub-Signature-256: sha256=", "X-Twilio-Signature: =", "X-Forwarded-For: 127.0.0.1", "Cookie: \0", " folded: x",
)  # fmt: skip
BODIES = (
    b"", b"{}", b'{"type":"track","event":"e","userId":"u"}', b'{"batch":[{"type":"identify","userId":"u"},1]}',
    b"[" * 5_000, b'{"a":' * 5_000, b"\xff\xfe", b"\x1f\x8b\x08\x00", b"5\r\n{}   \r\n0\r\n\r\n", b"zz\r\n",
    b"0" * 40_000,
)  # fmt: skip


def requests(chance: random.Random) -> Iterator[bytes]:
    """Requests that are nearly right, cut off, doubled, or of random bytes."""
    while True:
        path, method = chance.choice(PATHS), chance.choice(METHODS)
        lines = [f"{method} {path} HTTP/1.{chance.choice('0111')}", *chance.sample(HEADERS, chance.randrange(5))]
        request = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + chance.choice(BODIES)
        match chance.randrange(5):
            case 0:
                request = request[: chance.randrange(len(request))]
            case 1:
                at = chance.randrange(len(request))
                request = request[:at] + chance.randbytes(4) + request[at + 4 :]
            case 2:
                request *= 3
            case 3 if chance.random() < 0.2:
                request = chance.randbytes(500)
        yield request


def status(answer: bytes) -> int:
    """The status of an answer's first line; 0 when there is none, because the server hung up."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def sent(address: tuple[str, int], request: bytes) -> bytes:
    """The beginning of the answer to one request that is never taken further."""
    with closing(socket.create_connection(address, timeout=10)) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(4_096)
        except OSError:  # it has hung up, before or while it was talked to
            return b""


def balanced(up: Platform) -> bool:
    """Whether the books balance, when everything has come to rest."""
    found = json.loads(up.rapport("audit", "--json"))
    return bool(found["balanced"])


def test_hostile_connections_do_no_harm(fuzzed: Platform) -> None:
    parts = urlsplit(fuzzed.running.url)
    address = (str(parts.hostname), int(parts.port or 0))
    chance, seen = random.Random(7), set()
    for request, _ in zip(requests(chance), range(REQUESTS), strict=False):
        answer = sent(address, request)
        seen.add(status(answer))
        assert status(answer) < 500 or b"webhooks" in request, (request, answer)
    assert {200, 400, 401, 404, 405} <= seen
    with ExitStack() as stack:  # slow ones, which are still there while others are answered
        for number in range(300):
            connection = stack.enter_context(closing(socket.create_connection(address, timeout=10)))
            connection.sendall(f"POST /v1/track HTTP/1.1\r\nContent-Length: {number}\r\n".encode())
        begun = time.monotonic()
        assert fuzzed.post("track", {"userId": "ann", "event": "Still there"})["accepted"] == 1
        assert time.monotonic() - begun < 10
    assert httpx.get(f"{fuzzed.running.url}/readyz").status_code == 200
    eventually(lambda: balanced(fuzzed), 30)
    assert "Traceback" not in (fuzzed.data / "up.log").read_text()


def test_no_changed_link_of_a_mail_leads_anywhere(fuzzed: Platform) -> None:
    link = Links("", key_of(LINKS)).link(About("click", "main", "s", "r", 0, "user_id:ann", url="https://a.example/x"))
    chance = random.Random(7)
    client = httpx.Client(base_url=fuzzed.running.url)
    for _ in range(60):
        at = chance.randrange(5, len(link) - 1)
        changed = link[:at] + chance.choice("AZaz09-_./%3A") + link[at + 1 :]
        answer = client.get(changed)
        if changed == link:
            assert answer.headers["location"] == "https://a.example/x"
        else:
            assert answer.status_code in (200, 404)
            assert "location" not in answer.headers
