"""How links of e-mails are made and read on this platform."""

from services.automation.links import Links, key_of
from services.runtime.settings import Settings


def links_of(settings: Settings) -> Links | None:
    """How links of e-mails are made and read; None where the environment does not say where and with which secret."""
    if not settings.public_url or settings.link_secret is None:
        return None
    return Links(settings.public_url, key_of(settings.link_secret.get_secret_value()))
