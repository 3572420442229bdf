"""What the tests of rules and delivery are made of: people, touchpoints, causes and rules."""

from typing import Any

from schemas import fast
from schemas.fast import Action, Cause, Profile, Touchpoint
from schemas.identifiers import account_id, profile_id
from services.automation.definitions import Rule
from services.automation.rules import Rules
from services.processor import Frame

NOON = 1_700_000_000_000  # epoch ms
HOUR = 3_600_000
ANN = "email:ann@example.com"


def touchpoint(message_id: str = "m1", event: str = "Order Completed", **more: Any) -> Touchpoint:
    """Ann ordered something, just now."""
    given: dict[str, Any] = {
        "workspace": "main", "source": "shop", "channel": "web", "type": "track", "event": event,
        "message_id": message_id, "anchor": ANN, "identifiers": (ANN,), "timestamp": NOON, "received_at": NOON,
        "evidence_at": NOON, "properties": fast.raw({"total": 12.5}), "traits": fast.EMPTY, "context": fast.EMPTY,
    }  # fmt: skip
    return Touchpoint(**(given | more))


def person(consent: str = "granted", **traits: Any) -> Profile:
    """Ann, who answered this when she was asked about e-mail ("" for not at all)."""
    told = {name: {"value": value, "at": NOON, "source": "shop"} for name, value in traits.items()}
    return Profile(
        workspace="main", profile_id=profile_id("main", ANN), version=1, identifiers=(ANN,), traits=fast.raw(told),
        computed=fast.EMPTY, consent=fast.raw({"email": consent} if consent else {}),
    )  # fmt: skip


def account(group: str = "acme", version: int = 1, **traits: Any) -> Profile:
    """A company, of which group calls told this."""
    told = {name: {"value": value, "at": NOON, "source": "shop"} for name, value in traits.items()}
    return Profile(
        workspace="main", profile_id=account_id("main", group), kind="account", version=version,
        identifiers=(f"account:{group}",), traits=fast.raw(told), computed=fast.EMPTY, consent=fast.EMPTY,
    )  # fmt: skip


def cause(touched: Touchpoint | None = None, profile: Profile | None = None, audience: str = "") -> Cause:
    """A touchpoint of Ann's, or with `audience` the entry that it brought about."""
    touched, profile = touched or touchpoint(), profile or person()
    return Cause(
        workspace=touched.workspace, profile_id=profile.profile_id, anchor=touched.anchor, audience=audience,
        touchpoint=touched, profile=profile,
    )  # fmt: skip


def rule(**more: Any) -> Rule:
    """A rule that thanks for an order by e-mail."""
    email = {"from": "Shop <hello@shop.example>", "subject": "Thank you", "text": "Dear {{ profile.traits.name }}"}
    given = {"name": "thanks", "when": {"event": "Order Completed"}, "then": [{"email": email}]}
    return Rule.model_validate(given | more)


def calling(url: str = "https://crm.example/hook", **more: Any) -> dict[str, Any]:
    """A step that calls a webhook."""
    return {"webhook": {"url": url, "secret_env": "CRM_SECRET", **more}}


def live(*rules: Rule, at: int = 0) -> dict[tuple[str, str], int]:
    """All of these rules went live at `at`."""
    return {(r.workspace, r.name): at for r in rules}


def actions(rules: list[Rule], *causes: Cause, at: int = 0) -> list[Action]:
    """What these rules decide at once for these causes."""
    frame = Frame("causes", 0, causes, NOON)
    return [emit.message for emit in Rules(rules, live(*rules, at=at)).decide(frame, {}).emits]
