"""Addresses that refused e-mail for good.

What is known of one is a record of the rules' stage. It belongs to the address, not to a person, so that it holds for
everybody who ever has the address.
"""

from typing import Any

import msgspec

from schemas.fast import Touchpoint
from services.conditions import exact
from services.identifiers.email import email

EVENT = "Email Bounced"


class Bounced(msgspec.Struct, frozen=True, tag="bounced"):
    """The address refused an e-mail for good, `at` (epoch ms), as the touchpoint with this message id told."""

    at: int
    message_id: str


def bounced_key(workspace: str, address: str) -> str:
    """The key of the record about an address, however it is written. No workspace begins with "="."""
    return f"=bounced/{workspace}/{email(address, '') or address}"


def bounced_address(touchpoint: Touchpoint) -> str:
    """The address that a touchpoint tells to refuse e-mail for good; empty when it tells nothing of that kind.

    Only senders that are known by more than a public key are believed: else anybody could keep e-mail from others.
    """
    if touchpoint.event != EVENT or touchpoint.type != "track" or touchpoint.trust == "public":
        return ""
    said: dict[str, Any] = exact.properties(touchpoint.properties)
    address = said.get("email")
    return (email(address, "") or "") if said.get("permanent") is True and isinstance(address, str) else ""
