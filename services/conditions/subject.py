"""What a condition looks at: a person, and the touchpoint that is the cause."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from schemas.fast import Profile, Touchpoint
from services.conditions import exact

CONSENTS = 100  # answers that a profile has at most: those of the least names, however many were given


def event_name(touchpoint: Touchpoint) -> str:
    """What definitions and rules call this touchpoint: a track's event, for everything else its type ("page")."""
    return touchpoint.event if touchpoint.type == "track" else touchpoint.type


class Subject(Protocol):
    """The questions a condition asks. None means missing, and JSON null is missing too."""

    def trait(self, name: str) -> Any:
        """A computed trait, else a trait that was told, as an exact JSON value (numbers are int or Decimal)."""

    def account(self, name: str) -> Any:
        """A trait of the account that the person acts for, like `trait`."""

    def count(self, event: str, within: int | None = None) -> int:
        """How often the person did this, in the last `within` ms when that is given."""

    def left(self, did: str, then_not: str, within: int) -> bool:
        """Whether the person did `did` at least `within` ms ago and has done neither again."""

    def audience(self, name: str) -> bool:
        """Whether the person is in this audience."""

    def consent(self, channel: str, purpose: str = "") -> str:
        """ "granted", "denied" or "unknown"."""

    def property(self, name: str) -> Any:
        """A property of the touchpoint that is the cause."""


def within_key(event: str, within: int) -> str:
    """How `events` of a profile that was read at some time names a count within a time."""
    return f"{event} within {within}"


def left_key(did: str, then_not: str, within: int) -> str:
    """How it names "did this, then not that, within": 1 when it holds."""
    return f"{did} then not {then_not} within {within}"


def answer(consents: Mapping[str, str], channel: str, purpose: str) -> str:
    """What a profile's `consent` says to a purpose of a channel: its own answer, else the channel's."""
    found = consents.get(f"{channel}/{purpose}") if purpose else None
    return consents.get(channel, "unknown") if found is None else found


class Facts(msgspec.Struct, frozen=True):
    """A subject of plain values: what rules and their checks at sending hold a profile as, read at their time."""

    traits: Mapping[str, Any] = {}
    computed: Mapping[str, Any] = {}
    events: Mapping[str, int] = {}
    consents: Mapping[str, str] = {}
    properties: Mapping[str, Any] = {}
    audiences: frozenset[str] = frozenset()
    accounts: Mapping[str, Any] = {}

    def trait(self, name: str) -> Any:
        """A computed trait goes before a told one of the same name, so that nobody outside can overwrite it."""
        computed = exact.find(self.computed, name)
        return exact.find(self.traits, name) if computed is None else computed

    def account(self, name: str) -> Any:
        """By its name, else by its dotted path."""
        return exact.find(self.accounts, name)

    def count(self, event: str, within: int | None = None) -> int:
        """Events that no condition or audience of the configuration names are not counted: 0."""
        return self.events.get(event if within is None else within_key(event, within), 0)

    def left(self, did: str, then_not: str, within: int) -> bool:
        """As it was when the profile was read."""
        return bool(self.events.get(left_key(did, then_not, within), 0))

    def audience(self, name: str) -> bool:
        """As it was when the profile was read."""
        return name in self.audiences

    def consent(self, channel: str, purpose: str = "") -> str:
        """Unknown until the person said yes or no."""
        return answer(self.consents, channel, purpose)

    def unheard(self, channel: str, purpose: str = "") -> bool:
        """Whether an answer to just this may have been left out, because the profile has as many as it can have:
        anybody who knows an identifier can give answers, and so push a no out."""
        key = f"{channel}/{purpose}" if purpose else channel
        return len(self.consents) >= CONSENTS and key not in self.consents

    def property(self, name: str) -> Any:
        """By its name, else by its dotted path."""
        return exact.find(self.properties, name)


def account_of(profile: Profile, cause: Touchpoint | None) -> str:
    """The group id of the account that the person acts for: the touchpoint's, else the one joined last; or empty."""
    if cause is not None and cause.group_id:
        return cause.group_id
    return profile.accounts[0] if profile.accounts else ""


def account_traits(account: Profile) -> dict[str, Any]:
    """The traits of an account by name, computed ones before told ones."""
    return _told(account) | exact.document(account.computed)


def _told(profile: Profile) -> dict[str, Any]:
    return {name: told["value"] for name, told in exact.document(profile.traits).items()}


def facts(profile: Profile, cause: Touchpoint | None = None, account: Mapping[str, Any] | None = None) -> Facts:
    """The subject that a published profile and, if there is one, the touchpoint that is the cause make. `account` are
    the traits of the account that the person acts for."""
    return Facts(
        traits=_told(profile),
        computed=exact.document(profile.computed),
        events=exact.document(profile.events),
        consents=exact.document(profile.consent),
        audiences=frozenset(profile.audiences),
        accounts=account or {},
        properties=exact.properties(cause.properties) if cause is not None else {},
    )
