"""A message into a Slack channel, as data, for one of Slack's incoming webhooks (api.slack.com/messaging/webhooks)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from services.automation.fields import Strict, Template, Variable
from services.automation.templates import render
from services.errors import Rejected

LONGEST = 40_000  # characters, Slack's limit


class SlackStep(Strict):
    """A message to colleagues. `url_env` names the environment variable that holds the incoming webhook's URL, which
    is a secret. `text` is a Liquid template in Slack's own markup; what customers said is escaped in it."""

    url_env: Variable
    text: Template


class SlackMessage(msgspec.Struct, frozen=True, tag="slack"):
    """One message. Slack has no idempotency key: it must be handed over once."""

    url_env: str
    body: bytes


def make(step: SlackStep, name: str, values: Mapping[str, Any]) -> SlackMessage:
    """The message of this step. Raises Rejected: the template fails ("template"), or the text is empty or too long
    ("too_large")."""
    text = render(step.text, f"{name}, text", escaped(values)).strip()
    if not 1 <= len(text) <= LONGEST:
        raise Rejected("too_large", f"{name}: the text has {len(text)} characters; 1 to {LONGEST} are possible")
    return SlackMessage(step.url_env, msgspec.json.encode({"text": text}))


def escaped(value: Any) -> Any:
    """The same with &, < and > in texts as Slack wants them: nobody's name can call `<!channel>` or hide a link."""
    if isinstance(value, str):
        return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if isinstance(value, Mapping):
        return {name: escaped(part) for name, part in value.items()}
    return [escaped(part) for part in value] if isinstance(value, list) else value
