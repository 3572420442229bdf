"""On a real platform: what people said is asked before they are written to, is kept with its proof, and a bounced
address gets nothing more."""

import json
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.running import Platform, eventually, platform
from tests.runtime.sinks import mail_sink

SOURCES = """
sources:
  - {name: server, write_key: key-server, channel: server, trusted: true}
  - {name: web, write_key: key-web, channel: web}
"""
RULE = """
name: {name}
when: {{event: Order Completed}}
then:
  - email: {{from: shop@example.com, subject: "{name} {{{{ touchpoint.message_id }}}}", text: Hello{more}}}
"""
RULES = {"news": ", purpose: newsletter", "receipt": ", purpose: receipts, consent: unless_denied"}
SENDING = "caps:\n  email: {most: 5, per: 7d}\n"


def ordered(up: Platform, number: int) -> None:
    up.post("track", {"userId": "ann", "event": "Order Completed", "messageId": f"o{number}"})


def outcomes(up: Platform) -> dict[str, tuple[str, str]]:
    """(status, reason) of every follow-up, by rule and message."""
    lines = up.rapport("deliveries", "--status", "waiting,sent,held,failed,dead,uncertain", "--json").splitlines()
    return {f"{d['rule']} {d['key'].rpartition('/')[2]}": (d["status"], d["reason"]) for d in map(json.loads, lines)}


def test_consent_its_proof_and_bounces(tmp_path: Path) -> None:
    config = tmp_path / "config"
    (config / "rules").mkdir(parents=True)
    (config / "sources.yaml").write_text(SOURCES)
    (config / "sending.yaml").write_text(SENDING)
    for name, more in RULES.items():
        (config / "rules" / f"{name}.yaml").write_text(RULE.format(name=name, more=more))
    with (
        mail_sink() as (mail, port),
        platform(tmp_path / "data", config, RAPPORT_SMTP_PORT=str(port), COLUMNS="200") as up,
    ):

        def subjects() -> list[Any]:
            return sorted(str(message["Subject"]) for message in mail.messages)

        said = {"email": {"newsletter": {"granted": True, "by": "till 4", "proof": {"slip": 77}}}}
        up.post(
            "identify", {"userId": "ann", "messageId": "i1", "traits": {"email": "ann@example.com", "consent": said}}
        )
        ordered(up, 1)
        eventually(lambda: subjects() == ["news o1", "receipt o1"])
        up.post("track", {"userId": "ann", "event": "Email Unsubscribed", "messageId": "u1",
                          "properties": {"purpose": "newsletter"}}, key="key-web")  # fmt: skip
        ordered(up, 2)
        eventually(lambda: subjects() == ["news o1", "receipt o1", "receipt o2"])

        bounce = {"userId": "postmaster", "event": "Email Bounced",
                  "properties": {"email": "Ann@example.com", "permanent": True}}  # fmt: skip
        up.post("track", bounce | {"messageId": "b1"}, key="key-web")  # from a browser: not believed
        ordered(up, 3)
        eventually(lambda: "receipt o3" in subjects())
        up.post("track", bounce | {"messageId": "b2"})
        ordered(up, 4)
        refused = eventually(lambda: outcomes(up).get("receipt o4"))
        assert eventually(lambda: outcomes(up)["receipt o4"][0] == "held"), refused
        assert outcomes(up)["news o4"] == ("held", "the person does not consent to e-mail for newsletter")
        assert "refused e-mail for good" in outcomes(up)["receipt o4"][1]

        up.post("identify", {"userId": "ann", "messageId": "i2", "traits": {"email": "ann@new.example"}})
        for number in (5, 6):
            ordered(up, number)
        eventually(lambda: {"sent", "held"} == {outcomes(up).get(f"receipt o{n}", "?")[0] for n in (5, 6)})
        assert len(mail.messages) == 5, "the cap of five in seven days"

        found = up.profile("user_id", "ann")
        assert found is not None and found["consent"] == {"email/newsletter": "denied"}
        url = f"{up.running.url}/v1/profiles/{found['profile_id']}/consent"
        told = eventually(lambda: len((answer := httpx.get(url, timeout=30).json())["ledger"]) == 2 and answer)
        assert told["consent"] == found["consent"]
        newest, first = told["ledger"]
        assert [newest[part] for part in ("purpose", "answer", "event", "source", "trust")] == [
            "newsletter", "denied", "Email Unsubscribed", "web", "public",
        ]  # fmt: skip
        assert [first[part] for part in ("answer", "by", "proof", "trust", "message_id")] == [
            "granted", "till 4", '{"slip":77}', "server", "i1",
        ]  # fmt: skip
        assert httpx.get(url.replace(found["profile_id"], "p" + "0" * 32), timeout=30).status_code == 404
        shown = up.rapport("profile", "ann")
        assert "email/newsletter" in shown and "till 4" in shown and "server (server)" in shown
