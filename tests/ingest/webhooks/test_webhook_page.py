"""docs/webhooks.md and the comments of config/sources.yaml are true: names, options, and LINE as it stands there."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from services.configuration import load_config
from services.ingest.webhooks import meta, sendgrid, twilio, wecom
from services.ingest.webhooks.calls import calls
from services.ingest.webhooks.provider import Request

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
NAMES = {
    *sendgrid.NAMES.values(),
    *twilio.CALLS.values(),
    *(f"SMS {twilio.MESSAGES[status]}" for status in ("queued", "sent", "delivered", "failed", "received", "read")),
    *meta.STATUSES.values(),
    *(name for name in wecom.CONTACTS.values() if "Transfer" not in name),
    *("WhatsApp Message Received", "Messenger Message Received", "Messenger Message Sent", "WeCom Message Received"),
}


def named(cell: str) -> set[str]:
    """Email Opened, Link Clicked; Call Started → Email Opened, Email Link Clicked, Call Started."""
    found = set()
    for group in cell.split("; "):
        plain = re.sub(r" \(or [^)]*\)", "", group)
        first, *others = plain.split(", ")
        prefix = re.match(r"(WhatsApp|Messenger|WeCom) (Message|Contact)|\w+", first)[0]  # type: ignore[index]
        found |= {first, *(f"{prefix} {other}" for other in others)}
    return found


def test_the_page_names_every_event() -> None:
    cells = re.findall(r"^\| \[.*\|(.*)\|$", PAGE, re.MULTILINE)
    assert set().union(*(named(cell.strip()) for cell in cells)) == NAMES


def test_the_examples_in_the_comments_of_the_starter_file_can_be_used(tmp_path: Path) -> None:
    text = (ROOT / "config" / "sources.yaml").read_text(encoding="utf-8")
    before, _, examples = text.partition("# Webhooks arrive")
    used = "\n".join(line[1:] for line in examples.splitlines() if line.startswith("#  "))
    (tmp_path / "sources.yaml").write_text(before + used, encoding="utf-8")
    sources = {source.name: source.webhook.provider for source in load_config(tmp_path).sources if source.webhook}
    assert sources == {"sendgrid": "sendgrid", "twilio": "twilio", "whatsapp": "meta", "wecom": "wecom"}


@pytest.fixture(scope="module")
def line() -> Any:
    """The provider of the page."""
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    module: dict[str, Any] = {"__name__": "line"}
    exec(compile(block, "docs/webhooks.md", "exec"), module)
    return module["Line"](provider="line", secret_env="LINE_CHANNEL_SECRET")


@pytest.mark.parametrize(
    ("signature", "right"), [("/gg9a+LvFevTH1sd7XCQycD7tsWclCsInj7MhBHxN7k=", True), ("invalid_signature", False)]
)
def test_the_example_judges_the_published_vectors_as_published(line: Any, signature: str, right: bool) -> None:
    """line-bot-sdk-python tests/v3/test_webhook.py @e1fa9338"""
    request = Request({"x-line-signature": signature}, "", b"bodybodybodybody", 0)
    if right:
        assert line.opened(request, {"secret": "channel_secret"}) == request.body
    else:
        with pytest.raises(ValueError, match="signature"):
            line.opened(request, {"secret": "channel_secret"})


def test_the_example_reads_an_event(line: Any) -> None:
    event = {"type": "follow", "timestamp": 1_770_000_000_000, "webhookEventId": "01H", "source": {"userId": "U1"}}
    (call,) = calls(line, json.dumps({"events": [event]}).encode(), 10).good
    told = json.loads(bytes(call))
    assert (told["event"], told["messageId"], told["timestamp"]) == ("LINE Followed", "line:01H", event["timestamp"])
    assert told["context"]["externalIds"][0] == {"type": "line_user_id", "id": "U1", "collection": "users"}
    assert told["properties"] == event
