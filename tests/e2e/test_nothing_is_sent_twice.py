"""Law 5 on real processes: whatever is sent, replayed, restored, edited or merged again, nothing is received twice."""

import gzip
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Platform, eventually, platform
from tests.runtime.sinks import MailSink, WebSink, mail_sink, web_sink

SOURCES = """
sources:
  - {name: server, write_key: key-server, channel: server, trusted: true}
"""
TRAITS = """
traits:
  - {name: orders, event: Order Completed, count: true}
  - {name: spent, event: Order Completed, sum: total}
"""
AUDIENCES = """
audiences:
  - {name: regulars, who: {trait: orders, gte: 2}}
  - {name: old_regulars, who: {trait: spent, gte: 50}}
"""
RULES = {
    "thanks": """
name: thanks
when: {event: Order Completed}
then:
  - email:
      from: "Shop <shop@example.com>"
      subject: "Thanks for {{ touchpoint.properties.total }}"
      text: "Hello"
      consent: unless_denied
""",
    "regular": """
name: regular
when: {enters: regulars}
then:
  - webhook: {url_env: HOOK_URL, secret_env: HOOK_SECRET}
""",
    "archive": """
name: archive
when: {enters: old_regulars}
history: act
then:
  - webhook: {url_env: HOOK_URL, secret_env: HOOK_SECRET}
""",
}
RULES["every_kind"] = """
name: every_kind
when: {enters: regulars}
cap: {most: 9, per: 7d}
then:
  - sms: {account_env: SID, token_env: TOKEN, from: Shop, to: "+4915123456789", text: "{{ profile.id }}",
          purpose: receipts, consent: unless_denied}
  - slack: {url_env: SLACK_URL, text: "{{ profile.traits.email }} {{ touchpoint.message_id }}"}
  - task: {title: "Call {{ profile.email }}", due: 2d, url_env: HOOK_URL, secret_env: HOOK_SECRET}
"""
RULES["told"] = """
name: told
when: {event: Order Completed}
holdout: 99.99%
then:
  - message: {data: {list: buyers}}
  - slack: {url_env: SLACK_URL, text: nobody}
"""
SENDING = """
caps:
  email: {most: 9, per: 7d}
  sms: {most: 9, per: 7d}
"""
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def configure(folder: Path, rules: dict[str, str] = RULES) -> Path:
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    for name, text in (("sources", SOURCES), ("traits", TRAITS), ("audiences", AUDIENCES), ("sending", SENDING)):
        (folder / f"{name}.yaml").write_text(text)
    for name, text in rules.items():
        (folder / "rules" / f"{name}.yaml").write_text(text)
    return folder


def order(user: str, number: int, total: float, **more: Any) -> dict[str, Any]:
    call = {"type": "track", "event": "Order Completed", "userId": user, "messageId": f"{user}-{number}"}
    return (
        call
        | {"traits": {}, "context": {"traits": {"email": f"{user}@example.com"}}, "properties": {"total": total}}
        | more
    )


def story() -> list[dict[str, Any]]:
    """Two people with live orders, and five whose orders are old."""
    live = [order(user, n, 10.5 + n) for user in ("ann", "bob") for n in range(2)]
    old = [order(f"old{u}", n, 30, timestamp=f"1997-03-0{n + 1}T12:00:00Z") for u in range(5) for n in range(3)]
    return live + old


class Received:
    """What the sinks have, and waiting until it is what it must be."""

    def __init__(self, mail: MailSink, web: WebSink):
        self.mail, self.web = mail, web

    def counts(self) -> tuple[int, int]:
        return len(self.mail.messages), len(self.web.calls)

    def keys(self) -> set[str]:
        return {call.headers.get("webhook-id") or str(call.body) for call in self.web.calls}


EXPECTED = (4, 2 + 5 + 2 * 3)  # an e-mail per live order; a webhook per live regular and per old one; three more each


def settled(up: Platform) -> None:
    """Wait until everything that was accepted has been carried through, and delivery has had its time."""
    up.rapport("audit")
    time.sleep(1.0)


@pytest.fixture
def received() -> Any:
    with mail_sink() as (mail, mail_port), web_sink() as (web, web_port):
        found = Received(mail, web)
        found.environment = {  # type: ignore[attr-defined]
            "RAPPORT_SMTP_HOST": "127.0.0.1", "RAPPORT_SMTP_PORT": str(mail_port),
            "RAPPORT_PRIVATE_HOSTS": '["127.0.0.1"]',
            "SLACK_URL": f"http://127.0.0.1:{web_port}/slack", "SID": "AC" + "0" * 32, "TOKEN": "t",
            "RAPPORT_TWILIO_URL": f"http://127.0.0.1:{web_port}",
            "HOOK_URL": f"http://127.0.0.1:{web_port}/hook", "HOOK_SECRET": SECRET,
        }  # fmt: skip
        yield found


def test_nothing_more_is_received_whatever_happens_again(tmp_path: Path, received: Any) -> None:
    config, exported = configure(tmp_path / "config"), tmp_path / "export.ndjson.gz"
    with platform(tmp_path / "data", config, **received.environment) as up:
        up.post("batch", {"batch": story()})
        eventually(lambda: received.counts() == EXPECTED)
        assert len(received.keys()) == EXPECTED[1]
        held = "SELECT DISTINCT status, reason FROM actions WHERE rule = 'told'"
        assert eventually(lambda: up.select(held) == [("held", "holdout")])

        up.post("batch", {"batch": story()})  # the same again
        up.post("import", {"batch": story()})
        settled(up)
        assert received.counts() == EXPECTED

        up.rapport("replay")  # everything read again as a new generation
        settled(up)
        assert received.counts() == EXPECTED
        assert up.profile("user_id", "ann")["computed"] == {"orders": 2, "spent": 22}  # type: ignore[index]

        # two people become one: both were in the audience
        up.post("alias", {"previousId": "bob@example.com", "userId": "ann", "messageId": "alias"})
        up.post("identify", {"anonymousId": "x", "messageId": "x1", "traits": {"email": "ann@example.com"}})
        settled(up)
        assert received.counts() == EXPECTED
        up.rapport("export", str(exported))

    edited = {name: text.replace("then:", "title: Edited\nwait: 1s\nthen:") for name, text in RULES.items()}
    configure(config, edited)
    with platform(tmp_path / "data", config, **received.environment) as up:
        up.post("batch", {"batch": story()})
        up.rapport("replay")
        settled(up)
        assert received.counts() == EXPECTED

    shuffled = tmp_path / "shuffled.ndjson"
    lines = gzip.decompress(exported.read_bytes()).splitlines(keepends=True)
    random.Random(7).shuffle(lines)
    shuffled.write_bytes(b"".join(lines))
    with platform(tmp_path / "fresh", configure(tmp_path / "config2"), **received.environment) as up:
        up.rapport("restore", str(shuffled))
        settled(up)
        assert received.counts() == EXPECTED
        people = up.select("SELECT count(), sum(touchpoints) FROM profiles")
        assert people[0][1] == 19 + 2
        up.post("batch", {"batch": [order("ann", 9, 1)]})  # the restored platform is alive: a new order is thanked
        eventually(lambda: received.counts() == (EXPECTED[0] + 1, EXPECTED[1]))
