"""What a template can use, and what a webhook tells: the person and the touchpoint as plain values.

Times are ISO 8601 in UTC, because people read them.
"""

from datetime import UTC, datetime
from typing import Any

from schemas import fast
from schemas.fast import Action, Profile, Touchpoint
from schemas.identifiers import split
from services.identifiers.phone import phone as international


def iso(at: int | None) -> str | None:
    """Epoch milliseconds as ISO 8601 in UTC, to the millisecond."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def address(profile: Profile) -> str:
    """Where e-mail reaches this person: the trait `email`, else the strongest e-mail identifier, else empty."""
    trait = of_traits(profile).get("email")
    if isinstance(trait, str) and trait:
        return trait
    return next((split(text)[1] for text in profile.identifiers if text.startswith("email:")), "")


def phone(profile: Profile) -> str:
    """Where a call reaches this person: the trait `phone` where that is a number with its country's code, else the
    strongest phone identifier, else empty."""
    trait = of_traits(profile).get("phone")
    found = international(trait, "") if isinstance(trait, str) else None
    return found or next((split(text)[1] for text in profile.identifiers if text.startswith("phone:")), "")


def of_traits(profile: Profile) -> dict[str, Any]:
    """The traits that were told, without when and by whom."""
    return {name: told["value"] for name, told in fast.loads(profile.traits).items()}


def of_profile(profile: Profile) -> dict[str, Any]:
    """The person, as templates and webhooks name things."""
    return {
        "id": profile.profile_id,
        "email": address(profile),
        "phone": phone(profile),
        "identifiers": list(profile.identifiers),
        "traits": of_traits(profile),
        "computed": fast.loads(profile.computed),
        "audiences": list(profile.audiences),
        "first_seen": iso(profile.first_seen),
        "last_seen": iso(profile.last_seen),
    }


def of_touchpoint(touchpoint: Touchpoint) -> dict[str, Any]:
    """What the customer did, as templates and webhooks name things."""
    return {
        "message_id": touchpoint.message_id,
        "type": touchpoint.type,
        "event": touchpoint.event,
        "channel": touchpoint.channel,
        "source": touchpoint.source,
        "timestamp": iso(touchpoint.timestamp),
        "received_at": iso(touchpoint.received_at),
        "properties": fast.loads(touchpoint.properties),
    }


# What `profile`, `touchpoint` and `account` have in a template; beyond these names it is the customer's data.
PARTS = {
    "profile": frozenset(
        ("id", "email", "phone", "identifiers", "traits", "computed", "audiences", "first_seen", "last_seen")
    ),
    "account": frozenset(("id", "traits", "computed", "first_seen", "last_seen")),
    "touchpoint": frozenset(
        ("message_id", "type", "event", "channel", "source", "timestamp", "received_at", "properties")
    ),
}


def of_account(account: Profile | None) -> dict[str, Any]:
    """The account that the person acts for, as templates and webhooks name things; empty when there is none."""
    if account is None:
        return {}
    return {
        "id": split(account.identifiers[0])[1],
        "traits": of_traits(account),
        "computed": fast.loads(account.computed),
        "first_seen": iso(account.first_seen),
        "last_seen": iso(account.last_seen),
    }


def values(action: Action, profile: Profile, now: int, account: Profile | None = None) -> dict[str, Any]:
    """Everything that a template can use; the names are `templates.ROOTS`."""
    return {
        "account": of_account(account),
        "profile": of_profile(profile),
        "touchpoint": of_touchpoint(action.touchpoint),
        "audience": action.audience,
        "rule": action.rule,
        "workspace": action.workspace,
        "now": iso(now),
    }
