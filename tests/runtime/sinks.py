"""A real mail server and a real HTTP server on free loopback ports, which write down what reaches them."""

import email
import email.policy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class MailSink:
    """What arrived, by Message-ID, in order. `answer` is given to the RCPT command and may be changed; with
    `breaks_off` the connection is closed after the message was taken, before the answer."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.answer = ""
        self.breaks_off = False

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, _: Any) -> str:
        if not self.answer:
            envelope.rcpt_tos.append(address)
        return self.answer or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        message = email.message_from_bytes(content, policy=email.policy.SMTP)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.raw.append(content)
        if self.breaks_off:
            assert server.transport is not None
            server.transport.close()
        return "250 taken"


class Call(NamedTuple):
    """One request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


class WebSink:
    """What arrived, in order. `answer` says (status, headers) for each call and may be changed."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answer: Callable[[Call], tuple[int, dict[str, str]]] = lambda call: (204, {})

    def take(self, call: Call) -> tuple[int, dict[str, str]]:
        self.calls.append(call)
        return self.answer(call)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # the usual 5 are not enough for the calls that are made at once


class _AnyPort(Controller):
    """aiosmtpd's controller, on a port that the system chooses."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()


@contextmanager
def mail_sink() -> Iterator[tuple[MailSink, int]]:
    """A mail server and its port."""
    sink = MailSink()
    controller = _AnyPort(sink, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        yield sink, controller.port
    finally:
        controller.stop()


@contextmanager
def web_sink() -> Iterator[tuple[WebSink, int]]:
    """An HTTP server and its port."""
    sink = WebSink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, extra = sink.take(Call(self.path, headers, body))
            self.send_response(status)
            for name, value in (extra | {"content-length": "0"}).items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield sink, server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
