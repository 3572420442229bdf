"""Where the demo's follow-ups arrive: its own mail server and its own receiver of webhooks."""

import os
from pathlib import Path

from services.commands.demo.mail_sink import MailSink
from services.commands.demo.webhook_sink import WebhookSink, secret
from services.runtime.settings import Settings

URL, SECRET = "RAPPORT_DEMO_WEBHOOK_URL", "RAPPORT_DEMO_WEBHOOK_SECRET"  # named by the rules of config/


class Sinks:
    """Both, below one folder. What they received stays there for later runs."""

    def __init__(self, folder: Path):
        self._secret = secret(folder / "webhook-secret")
        self.mail = MailSink(folder / "mailbox")
        self.webhook = WebhookSink(folder / "webhooks.jsonl", self._secret)

    def start(self) -> None:
        """Listen, and put into the environment what the platform's rules look up there."""
        self.mail.start()
        self.webhook.start()
        os.environ[URL], os.environ[SECRET] = self.webhook.url, self._secret

    def stop(self) -> None:
        """Take no more."""
        self.mail.stop()
        self.webhook.stop()

    def reached_by(self, settings: Settings) -> Settings:
        """The settings of a platform whose follow-ups come here, whatever mail server is configured."""
        changes = {
            "smtp_host": "127.0.0.1", "smtp_port": self.mail.port, "smtp_user": "", "smtp_password": None,
            "smtp_starttls": False, "private_hosts": (*settings.private_hosts, "127.0.0.1"),
        }  # fmt: skip
        return settings.model_copy(update=changes)
