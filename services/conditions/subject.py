"""What a condition looks at: a person, and the touchpoint that is the cause."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from schemas.fast import Profile, Touchpoint
from services.conditions import exact


def event_name(touchpoint: Touchpoint) -> str:
    """What definitions and rules call this touchpoint: a track's event, for everything else its type ("page")."""
    return touchpoint.event if touchpoint.type == "track" else touchpoint.type


class Subject(Protocol):
    """The four questions a condition asks. None means missing, and JSON null is missing too."""

    def trait(self, name: str) -> Any:
        """A computed trait, else a trait that was told, as an exact JSON value (numbers are int or Decimal)."""

    def count(self, event: str) -> int:
        """How often the person did this."""

    def consent(self, channel: str) -> str:
        """ "granted", "denied" or "unknown"."""

    def property(self, name: str) -> Any:
        """A property of the touchpoint that is the cause."""


class Facts(msgspec.Struct, frozen=True):
    """A subject of plain values: what rules and their checks at sending hold a published profile as."""

    traits: Mapping[str, Any] = {}
    computed: Mapping[str, Any] = {}
    events: Mapping[str, int] = {}
    consents: Mapping[str, str] = {}
    properties: Mapping[str, Any] = {}

    def trait(self, name: str) -> Any:
        """A computed trait goes before a told one of the same name, so that nobody outside can overwrite it."""
        computed = exact.find(self.computed, name)
        return exact.find(self.traits, name) if computed is None else computed

    def count(self, event: str) -> int:
        """Events that no condition or audience of the configuration names are not counted: 0."""
        return self.events.get(event, 0)

    def consent(self, channel: str) -> str:
        """Unknown until the person said yes or no."""
        return self.consents.get(channel, "unknown")

    def property(self, name: str) -> Any:
        """By its name, else by its dotted path."""
        return exact.find(self.properties, name)


def facts(profile: Profile, cause: Touchpoint | None = None) -> Facts:
    """The subject that a published profile and, if there is one, the touchpoint that is the cause make."""
    traits = exact.properties(profile.traits)
    return Facts(
        traits={name: told["value"] for name, told in traits.items()},
        computed=exact.properties(profile.computed),
        events=exact.properties(profile.events),
        consents=exact.properties(profile.consent),
        properties=exact.properties(cause.properties) if cause is not None else {},
    )
