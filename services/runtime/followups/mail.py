"""Hands e-mails to a mail server over SMTP."""

import asyncio
from dataclasses import dataclass

import aiosmtplib
from aiosmtplib import SMTP, SMTPException, SMTPResponseException
from pydantic import SecretStr

from services.automation.actions.email import Email
from services.runtime.followups.sending import Result

SECONDS = 30.0  # for finding out whether the server takes it, and again for handing it over


@dataclass(frozen=True)
class MailServer:
    """The mail server that follow-ups leave through. `starttls` insists on encryption with a valid certificate; without
    it nothing is encrypted, which is for a server on the same machine."""

    host: str = "127.0.0.1"
    port: int = 25
    user: str = ""
    password: SecretStr | None = None
    starttls: bool = False


class MailSender:
    """Makes one try of an e-mail, over a connection of its own."""

    def __init__(self, server: MailServer):
        self._server = server

    async def close(self) -> None:
        """Nothing stays open between two e-mails."""

    async def send(self, email: Email) -> Result:
        """What came of one try. Once the message itself is on its way, a connection that breaks leaves it uncertain:
        the server may have taken it, and SMTP has no way to ask."""
        server = self._server
        client = SMTP(hostname=server.host, port=server.port, start_tls=server.starttls, timeout=SECONDS)
        try:
            async with asyncio.timeout(SECONDS):
                await self._addressed(client, email)
        except (SMTPException, OSError) as error:
            client.close()
            return _refused(error)
        try:
            async with asyncio.timeout(SECONDS):
                await client.data(email.message)
        except SMTPResponseException as error:
            return _refused(error)
        except (SMTPException, OSError) as error:
            return Result("uncertain", f"the connection broke while it was handed over: {type(error).__name__}")
        finally:
            client.close()
        return Result("sent")

    async def _addressed(self, client: SMTP, email: Email) -> None:
        await client.connect()
        if self._server.user and self._server.password:
            await client.login(self._server.user, self._server.password.get_secret_value())
        await client.mail(email.sender)
        await client.rcpt(email.to)


def _refused(error: Exception) -> Result:
    """It certainly was not taken: a 5xx answer about this message is for good, anything else may be better later."""
    if isinstance(error, aiosmtplib.SMTPAuthenticationError) or not isinstance(error, SMTPResponseException):
        return Result("retry", f"the mail server could not be used: {type(error).__name__}")
    return Result(
        "failed" if 500 <= error.code < 600 else "retry", f"the mail server answered {error.code} {error.message[:200]}"
    )
