"""Where a webhook goes: to the URL of the rule, or to the one that an environment variable holds."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from pydantic import ValidationError

from services.automation.actions.webhook import WebhookCall, WebhookStep
from services.runtime.followups.calling import Caller
from services.runtime.followups.sending import Result
from services.runtime.followups.webhook import WebhookSender

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOON = 1_700_000_000_000


@pytest.mark.parametrize("given", [{}, {"url": "https://crm.example/hooks", "url_env": "CRM_URL"}])
def test_a_step_names_its_destination_exactly_once(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="one of `url` and `url_env`"):
        WebhookStep.model_validate({"secret_env": "CRM_SECRET", **given})


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.hosts.append(self.headers["host"])  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Receiver)
    server.hosts = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def sent(environment: dict[str, str]) -> Result:
    async def send() -> Result:
        sender = WebhookSender(
            Caller(frozenset({"127.0.0.1"})), {"CRM_SECRET": SECRET, **environment}, lambda: 1_700_000_000_000
        )
        try:
            return await sender.send(WebhookCall("", "msg_1", b"{}", "CRM_SECRET", "CRM_URL"))
        finally:
            await sender.close()

    return asyncio.run(send())


def test_a_url_from_the_environment_is_called(receiver: Any) -> None:
    where = f"127.0.0.1:{receiver.server_address[1]}"
    assert sent({"CRM_URL": f"http://{where}/hooks"}).status == "sent"
    assert receiver.hosts == [where]


@pytest.mark.parametrize("environment", [{}, {"CRM_URL": ""}, {"CRM_URL": "crm.example/hooks"}])
def test_a_variable_without_a_url_is_named(environment: dict[str, str]) -> None:
    result = sent(environment)
    assert result.status == "failed" and "CRM_URL has to hold the URL" in result.reason
