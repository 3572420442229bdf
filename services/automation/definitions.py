"""Rules as marketing ops write them: when something happens, if this holds, wait, then do that.

name: welcome_back
title: Welcome back
when: {event: Order Completed}        # or {enters: big_spenders}
if: {trait: plan, is: pro}            # a condition (services/conditions), over the person and the touchpoint
wait: 1h
then:
  - email: {from: "Shop <hello@shop.example>", subject: "Thank you, {{ profile.traits.name }}", text: …}
  - webhook: {url: https://crm.example/hooks, secret_env: CRM_SECRET}
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas.wire import Workspace
from services.automation.steps import Step
from services.conditions.durations import milliseconds
from services.conditions.tree import Tree

DAY = 86_400_000
LONGEST_WAIT = 90 * DAY
MOST_STEPS = 10

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=100)]


def _millis(text: Any) -> int:
    """A wait in milliseconds."""
    millis = milliseconds(text)
    if millis > LONGEST_WAIT:
        raise ValueError(f"the longest wait is {LONGEST_WAIT // DAY}d")
    return millis


def _some(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    if not 1 <= len(steps) <= MOST_STEPS:
        raise ValueError(f"a rule has 1 to {MOST_STEPS} steps")
    return steps


Steps = Annotated[tuple[Step, ...], AfterValidator(_some)]
Wait = Annotated[int, BeforeValidator(_millis)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Trigger(_Strict):
    """What starts a rule: an event by its name, or entering an audience."""

    event: str | None = Field(None, min_length=1, max_length=256)
    enters: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> "Trigger":
        if (self.event is None) == (self.enters is None):
            raise ValueError("a rule starts with one of `event` and `enters`")
        return self


class Rule(_Strict):
    """One rule. It belongs to one workspace; its name is part of every send key, so renaming it makes a new rule.

    `history: act` lets it act also on events older than 24 hours and on restored ones; it is meant for imports.
    """

    name: Name
    title: str = Field("", max_length=200)
    workspace: Workspace = "main"
    enabled: bool = True
    when: Trigger
    condition: Tree | None = Field(None, alias="if")
    wait: Wait = 0
    then: Steps
    history: Literal["act", "ignore"] = "ignore"

    def unset(self, environment: Mapping[str, str]) -> frozenset[str]:
        """The variables that its steps need and that are not set in this environment."""
        return frozenset(name for step in self.then for name in step.variables if not environment.get(name))

    def fingerprint(self) -> str:
        """What the rule does, as 32 hexadecimal characters. Another title leaves it as it is; so does a later version
        of Rapport with more to choose from, because what is not said is left out."""
        content = json.dumps(_said(self.model_copy(update={"title": ""})), sort_keys=True)
        return blake2b(content.encode(), digest_size=16).hexdigest()


def _said(value: Any) -> Any:
    """What differs from the defaults, for JSON; leaves keep their type (1.5 is not "1.5")."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        given = {name: getattr(value, name) for name in fields}
        return {name: _said(content) for name, content in given.items() if content != fields[name].default}
    if isinstance(value, dict):
        return {name: _said(content) for name, content in value.items()}
    return [_said(content) for content in value] if isinstance(value, list | tuple) else repr(value)
