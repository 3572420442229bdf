"""The little of HTTP that the tracking API needs on top of ASGI: read a bounded body, answer with JSON."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from schemas import fast
from services.ingest.body import gunzip, text
from services.ingest.refusal import Refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_DRAINED = 16 * 1024 * 1024  # a body too large is read to its end up to here, so that the client hears the answer
CORS = [(b"access-control-allow-origin", b"*")]
_EXPOSED = (b"access-control-expose-headers", b"retry-after")
_JSON = [(b"content-type", b"application/json"), *CORS]
PREFLIGHT = [
    *CORS,
    (b"allow", b"POST, OPTIONS"),
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, content-type, content-encoding, x-retry-count"),
    (b"access-control-max-age", b"86400"),
]


class Gone(Exception):
    """The client hung up before its request was whole: there is nobody to answer."""


async def body(receive: Receive, headers: dict[bytes, bytes], limit: int, seconds: float) -> bytes:
    """The whole body as UTF-8 JSON text of at most `limit` bytes. Raises Refusal or Gone."""
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding not in (b"", b"identity", b"gzip"):
        raise Refusal(415, "unsupported_encoding", "the content-encoding must be gzip, or none")
    data = await raw(receive, limit, seconds)
    return text(gunzip(data, limit) if encoding == b"gzip" else data)


async def raw(receive: Receive, limit: int, seconds: float) -> bytes:
    """The whole body, byte for byte, of at most `limit` bytes. Raises Refusal or Gone."""
    try:
        async with asyncio.timeout(seconds):
            return await _read(receive, limit)
    except TimeoutError:
        raise Refusal(408, "timeout", f"the body did not arrive within {seconds:g} seconds") from None


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size <= limit:
            parts.append(part)
        more = message.get("more_body", False) and size <= _DRAINED
    if size > limit:
        raise Refusal(413, "too_large", f"the body is larger than {limit} bytes")
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def answer(send: Send, status: int, data: bytes, headers: list[tuple[bytes, bytes]] = _JSON) -> None:
    """Send one whole answer."""
    length = (b"content-length", b"%d" % len(data))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": data})


async def refuse(send: Send, refusal: Refusal) -> None:
    """Send an error. A 401 names no scheme in WWW-Authenticate: a browser would ask its user for a password."""
    later = [(b"retry-after", b"%d" % refusal.retry_after), _EXPOSED] if refusal.retry_after else []
    data = fast.dumps({"code": refusal.code, "message": str(refusal)})
    await answer(send, refusal.status, data, [*_JSON, *later])
