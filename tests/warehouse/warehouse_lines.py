"""Lines of topics, as the other processes would write them."""

from typing import Any

from schemas import fast

NOW = 1_767_225_600_000  # 2026-01-01


def touchpoint(n: int, **changed: Any) -> bytes:
    """A line of the topic touchpoints, in the wire's order of fields."""
    said = {
        "v": 1, "workspace": "main", "source": "shop", "channel": "web", "type": "track", "event": "Order Completed",
        "message_id": f"m{n}", "anchor": f"user_id:u{n % 7}", "identifiers": [f"user_id:u{n % 7}"],
        "timestamp": NOW + n, "original_timestamp": None, "sent_at": None, "received_at": NOW + n,
        "evidence_at": NOW + n, "group_id": "", "previous": "", "rules": "", "imported": False, "restored": False,
        "properties": {"total": n / 100}, "traits": {}, "context": {"page": {"url": f"/p{n % 3}"}},
    }  # fmt: skip
    return fast.dumps(said | changed)


def line(topic: str, **said: Any) -> bytes:
    """A line of another topic."""
    return fast.dumps({"v": 1} | ({"traits": {}, "computed": {}, "consent": {}} if topic == "profiles" else {}) | said)
