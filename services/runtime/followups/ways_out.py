"""Every way out that follow-ups have, made from the settings. Secrets of webhooks are variables named by the rules."""

from collections.abc import Mapping

from services.runtime.clock import wall
from services.runtime.followups.calling import Caller
from services.runtime.followups.delivery import Sender
from services.runtime.followups.mail import MailSender, MailServer
from services.runtime.followups.slack import SlackSender
from services.runtime.followups.twilio import TwilioSender
from services.runtime.followups.webhook import WebhookSender
from services.runtime.settings import Settings


def senders(settings: Settings, secrets: Mapping[str, str]) -> dict[str, Sender]:
    """The senders by kind of follow-up. `secrets` is the environment."""
    server = MailServer(
        host=settings.smtp_host, port=settings.smtp_port, user=settings.smtp_user,
        password=settings.smtp_password, starttls=settings.smtp_starttls,
    )  # fmt: skip
    caller = Caller(frozenset(settings.private_hosts))
    calls = WebhookSender(caller, secrets, wall)  # receivers compare the time
    return {
        "email": MailSender(server), "sms": TwilioSender(caller, secrets, wall, settings.twilio_url),
        "webhook": calls, "task": calls, "slack": SlackSender(caller, secrets, wall),
    }  # fmt: skip
