"""What counts as an identifier, how it is written, and how strong it is: the rules that ingest and identity share."""

from services.identifiers.rules import DEFAULT_BLOCKED, DEFAULT_RULES, IdentifierType, IdentityRules

__all__ = ["DEFAULT_BLOCKED", "DEFAULT_RULES", "IdentifierType", "IdentityRules"]
