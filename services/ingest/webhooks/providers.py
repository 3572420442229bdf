"""Which providers there are. The next one is a file like those named here, and a name in this union."""

from typing import Annotated

from pydantic import Field

from services.ingest.webhooks.meta import Meta
from services.ingest.webhooks.sendgrid import SendGrid
from services.ingest.webhooks.twilio import Twilio
from services.ingest.webhooks.wecom import WeCom

AnyWebhook = Annotated[SendGrid | Twilio | Meta | WeCom, Field(discriminator="provider")]
