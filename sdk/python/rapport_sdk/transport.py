"""One batch to /v1/batch and what was answered, over a connection that is kept open."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from rapport_sdk.event import iso
from rapport_sdk.version import VERSION

_LONGEST_WAIT = 3_600.0  # seconds; who says more has meant something else
_LONGEST_ANSWER = 64 * 1024 * 1024  # bytes: more than the verdicts on any batch
_STALE = (ConnectionError, HTTPException)  # what a connection ends with that the server had closed for idleness


@dataclass(frozen=True)
class Answer:
    """`status` 0: there was none. `code` is the tracking API's own, so empty when a proxy has answered instead.

    `items` are the verdicts of a 200; `after` is Retry-After in seconds.
    """

    status: int
    code: str = ""
    reason: str = ""
    items: Sequence[dict[str, Any]] = ()
    after: float = 0.0


class Transport:
    """To the tracking API at `host`, such as http://127.0.0.1:8080. Used by one thread."""

    def __init__(self, host: str, write_key: str, seconds: float):
        parts = urlsplit(host)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"host is {host!r}: it must be a URL such as http://127.0.0.1:8080")
        if parts.query or parts.fragment or parts.username or parts.password:
            raise ValueError("host must be a URL without user name, query and fragment")
        self._kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._name, self._port, self._seconds = parts.hostname, parts.port, seconds
        self._path = f"{parts.path.rstrip('/')}/v1/batch"
        self._headers = {
            "Authorization": "Basic " + b64encode(f"{write_key}:".encode()).decode(),
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "User-Agent": f"rapport-sdk/{VERSION}",
        }
        self._connection: HTTPConnection | None = None

    def post(self, lines: Sequence[bytes]) -> Answer:
        """Send these events as one batch. Never raises for what the network or the other side does."""
        sent_at = iso(datetime.now(timezone.utc)).encode()
        body = gzip.compress(b'{"sentAt":"%b","batch":[%b]}' % (sent_at, b",".join(lines)), 1)
        kept = self._connection is not None
        try:
            try:
                answer = self._exchange(body)
            except _STALE:
                if not kept:
                    raise
                self.close()
                answer = self._exchange(body)
        except (OSError, HTTPException) as error:
            answer = Answer(0, reason=f"{type(error).__name__}: {error}")
        if not answer.status:
            self.close()
        return answer

    def _exchange(self, body: bytes) -> Answer:
        if self._connection is None:
            self._connection = self._kind(self._name, self._port, timeout=self._seconds)
        self._connection.request("POST", self._path, body, self._headers)
        with self._connection.getresponse() as response:
            text = response.read(_LONGEST_ANSWER)
            return _read(response.status, text, response.getheader("Retry-After", ""))

    def close(self) -> None:
        """Let go of the connection; the next `post` opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _read(status: int, text: bytes, after: str) -> Answer:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        found = {}
    if status == 200 and not (found.get("success") is True and isinstance(found.get("items", []), list)):
        return Answer(0, reason="something that is not the tracking API answered: look at the client's host")
    told = str(found.get("code", "")), str(found.get("message", "")), found.get("items", ())
    return Answer(status, *told, after=_seconds(after))


def _seconds(after: str) -> float:
    """Retry-After, which is seconds or a date (RFC 9110, 10.2.3); 0 when it is neither."""
    found = 0.0
    with suppress(ValueError, TypeError):
        if after.strip().isdigit():
            found = float(after)
        elif after:
            found = (parsedate_to_datetime(after) - datetime.now(timezone.utc)).total_seconds()
    return min(max(found, 0.0), _LONGEST_WAIT)
