"""What the demo's rules must have sent, computed without the platform, and what the sinks really received."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from services.commands.demo.cdnow import Purchase, spent
from services.commands.demo.mail_sink import mails
from services.commands.demo.sinks import Sinks
from services.commands.demo.webhook_sink import webhooks

VIP_FROM = Decimal(2000)  # dollars: who is in the audience `vips` (config/audiences.yaml)
THANKS, ORDERED, NEW_VIP = "thank_you", "order_to_crm", "vip_to_crm"  # rules (config/rules/)
UNVERIFIED = "(any)"


class FollowUp(NamedTuple):
    """One rule: how many people it must have reached, how many it did, and how often something came twice."""

    rule: str
    what: str
    expected: int
    received: int
    twice: int
    now: int

    @property
    def right(self) -> bool:
        return self.received == self.expected and self.twice == 0


class Receipts:
    """What the sinks have, by rule: the ids of what came, again and again if it did. `before` is an earlier look."""

    def __init__(self, sinks: Sinks):
        self.ids: dict[str, list[str]] = {}
        for message in mails(sinks.mail.folder):
            self.ids.setdefault(str(message["X-Rapport-Rule"]), []).append(str(message["Message-ID"]))
        for call in webhooks(sinks.webhook.file):
            rule = call["body"]["data"].get("rule", "") if call["verified"] else UNVERIFIED
            self.ids.setdefault(rule, []).append(call["id"])

    def count(self, rule: str) -> int:
        """How often this rule reached the sinks, repetitions included."""
        return len(self.ids.get(rule, []))

    def of(self, rule: str, what: str, expected: int, before: "Receipts") -> FollowUp:
        """This rule's follow-ups, against what they must be."""
        ids = self.ids.get(rule, [])
        return FollowUp(rule, what, expected, len(set(ids)), len(ids) - len(set(ids)), len(ids) - before.count(rule))


def vips(purchases: Sequence[Purchase]) -> int:
    """How many of CDNOW's customers spent so much that `vip_to_crm` must tell of them, each once."""
    return sum(dollars >= VIP_FROM for dollars in spent(purchases).values())


def followups(receipts: Receipts, before: Receipts, vips: int) -> list[FollowUp]:
    """Every rule of the demo, and webhooks whose signature was wrong. Rules of the user's own are left out."""
    return [
        receipts.of(THANKS, "e-mail to Mei", 1, before),
        receipts.of(ORDERED, "Mei's order", 1, before),
        receipts.of(NEW_VIP, "VIPs of CDNOW", vips, before),
        receipts.of(UNVERIFIED, "wrongly signed", 0, before),
    ]
