"""What stands at the top of each file. The models of the entries belong to the services that use them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from services.identifiers.rules import DEFAULT_RULES, IdentifierType, IdentityRules, Region, TypeName
from services.ingest.sources import Source
from services.profile.definitions import Audience, Trait


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourcesFile(_File):
    """sources.yaml: who may send."""

    sources: tuple[Source, ...]


class IdentityFile(_File):
    """identity.yaml: changes and additions to the default rules. A type that is not named keeps its default."""

    types: dict[TypeName, IdentifierType] = {}
    blocked: Annotated[tuple[str, ...], Field(max_length=1_000)] = DEFAULT_RULES.blocked
    region: Region = DEFAULT_RULES.region

    def rules(self) -> IdentityRules:
        """The defaults with what the file says in their place."""
        return IdentityRules(types={**DEFAULT_RULES.types, **self.types}, blocked=self.blocked, region=self.region)


class TraitsFile(_File):
    """traits.yaml: traits computed from events."""

    traits: tuple[Trait, ...] = ()


class AudiencesFile(_File):
    """audiences.yaml: groups of people that are entered and exited."""

    audiences: tuple[Audience, ...] = ()
