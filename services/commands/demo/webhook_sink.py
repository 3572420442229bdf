"""A receiver of webhooks, as a customer's CRM would have one: it checks each signature and keeps what came."""

import json
import os
import secrets
import threading
from base64 import b64encode
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

LARGEST = 1024 * 1024  # bytes of a body that is read


class WebhookSink:
    """Start it, call `url`, stop it. One line of `file` for each receipt: id, whether it was verified, and its body."""

    def __init__(self, file: Path, secret: str):
        self.file = file
        self._webhook = Webhook(secret)
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen on a free port of loopback."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True, name="webhook-sink").start()

    def stop(self) -> None:
        """Take no more."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}/webhooks"

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Keep one call. Returns the status to answer with: 204, or 401 when the signature is wrong."""
        try:
            self._webhook.verify(body, headers)
            verified = True
        except WebhookVerificationError:
            verified = False
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "id": headers.get("webhook-id", ""),
            "verified": verified,
            "body": json.loads(body) if verified else body.decode(errors="replace"),
        }
        with self._lock, self.file.open("a") as out:
            out.write(json.dumps(line) + "\n")
        return 204 if verified else 401


def _handler(sink: WebhookSink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("content-length", 0)), LARGEST))
            self.send_response(sink.take({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: standard error belongs to the demo's progress bars."""

    return Handler


def webhooks(file: Path) -> list[dict[str, Any]]:
    """What was kept, in the order of its arrival."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def secret(file: Path) -> str:
    """The secret of the demo's webhooks: made once, at random, and kept for the next run, for its user only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.is_file():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write("whsec_" + b64encode(secrets.token_bytes(32)).decode())
    return file.read_text()
