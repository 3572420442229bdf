"""A mail server of the demo's own: it takes every e-mail over SMTP and keeps each as an .eml file."""

import asyncio
import email
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


class MailSink:
    """Start it, send to `port` on loopback, stop it. One file for each receipt, so a second one would show."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="mail-sink")
        self._server: asyncio.Server | None = None

    def start(self) -> None:
        """Listen on a free port of loopback."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Take no more."""
        if self._server:
            self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(lambda: SMTP(self, hostname="localhost"), "127.0.0.1", 0)

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        """aiosmtpd's hook: an e-mail is here. It is on disk before the sender hears 250."""
        content = envelope.content
        assert isinstance(content, bytes)
        number = 1 + len(list(self.folder.glob("*.eml")))
        with (self.folder / f"{number:04}.eml").open("xb") as file:
            file.write(content)
        return "250 kept"


def mails(folder: Path) -> Iterator[EmailMessage]:
    """The e-mails that were kept, in the order of their arrival."""
    for path in sorted(folder.glob("*.eml")):
        found = email.message_from_bytes(path.read_bytes(), policy=default)
        assert isinstance(found, EmailMessage)
        yield found
