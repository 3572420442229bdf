"""An e-mail and what comes back of it, on real processes: opened, clicked, unsubscribed, and no more is sent."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.running import Platform, eventually, platform
from tests.runtime.sinks import MailSink, mail_sink

RULE = """
name: news
when: {event: News Ready}
then:
  - email:
      from: "Shop <shop@example.com>"
      subject: "News"
      text: "Stop: {{ unsubscribe_url }}"
      html: '<p>News <a href="https://shop.example/new?a=1&amp;b=2">here</a></p>'
      purpose: newsletter
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Platform, MailSink]]:
    folder = tmp_path / "config"
    (folder / "rules").mkdir(parents=True)
    (folder / "sources.yaml").write_text("sources: [{name: server, write_key: key-server, trusted: true}]\n")
    (folder / "rules" / "news.yaml").write_text(RULE)
    with mail_sink() as (mail, port):
        environment = {
            "RAPPORT_SMTP_PORT": str(port), "RAPPORT_LINK_SECRET": "a secret of more than 24 characters",
            "RAPPORT_PUBLIC_URL": "https://news.example/mail",
        }  # fmt: skip
        with platform(tmp_path / "data", folder, **environment) as one:
            yield one, mail


def test_what_comes_back_of_an_e_mail_is_known_and_obeyed(running: tuple[Platform, MailSink]) -> None:
    one, mail = running
    traits = {"email": "ann@example.com", "consent": {"email": {"newsletter": True}}}
    one.post("identify", {"userId": "ann", "traits": traits})
    one.post("track", {"userId": "ann", "event": "News Ready", "messageId": "n1"})
    message = eventually(lambda: mail.messages and mail.messages[0])
    html = str(message.get_body(("html",)).get_content())
    (click,) = re.findall(r'href="([^"]+)"', html)
    (pixel,) = re.findall(r'<img src="([^"]+)"', html)
    (stop,) = re.findall(r"<(.+)>", str(message["List-Unsubscribe"]))
    here = {address: address.replace("https://news.example/mail", one.running.url) for address in (click, pixel, stop)}
    assert all(address.startswith("https://news.example/mail/m/") for address in here)

    assert httpx.get(here[pixel]).headers["content-type"] == "image/gif"
    answer = httpx.get(here[click])
    assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.example/new?a=1&b=2")
    assert httpx.post(here[stop], data={"List-Unsubscribe": "One-Click"}).status_code == 200

    def denied() -> bool:
        found = one.profile("user_id", "ann")
        return found is not None and found["consent"].get("email/newsletter") == "denied"

    eventually(denied)
    one.post("track", {"userId": "ann", "event": "News Ready", "messageId": "n2"})
    events = "SELECT event, properties.rule::String FROM touchpoints WHERE source = 'rapport' ORDER BY event"
    expected = [("Email Link Clicked", "news"), ("Email Opened", "news"), ("Email Unsubscribed", "news")]
    eventually(lambda: list(one.select(events)) == expected)
    assert len(mail.messages) == 1
