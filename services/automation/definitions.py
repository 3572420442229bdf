"""Rules as marketing ops write them: when something happens, if this holds, wait, then do that.

name: welcome_back
title: Welcome back
when: {event: Order Completed}        # or {enters: big_spenders}
if: {trait: plan, is: pro}            # a condition (services/conditions), over the person and the touchpoint
wait: 1h
cap: {most: 1, per: 7d}               # for one person, of this rule
holdout: 10%                          # of the people, for whom nothing is done, to compare with
quiet_hours: ignore                   # send also at night (config/sending.yaml)
then:
  - email: {from: "Shop <hello@shop.example>", subject: "Thank you, {{ profile.traits.name }}", text: …}
  - webhook: {url: https://crm.example/hooks, secret_env: CRM_SECRET}
  - sms: …, slack: …, task: …, message: …  # services/automation/steps.py
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from schemas.wire import Workspace
from services.automation.fields import DAY, Cap, Strict
from services.automation.holdout import share
from services.automation.steps import Step
from services.conditions.durations import milliseconds
from services.conditions.tree import Tree

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


class Trigger(Strict):
    """What starts a rule: an event by its name, or entering an audience."""

    event: str | None = Field(None, min_length=1, max_length=256)
    enters: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> "Trigger":
        if (self.event is None) == (self.enters is None):
            raise ValueError("a rule starts with one of `event` and `enters`")
        return self


class Rule(Strict):
    """One rule. It belongs to one workspace; its name is part of every send key, so renaming it makes a new rule.

    `history: act` lets it act also on events older than 24 hours and on restored ones; it is meant for imports.
    `cap` bounds how often it acts for one person, `holdout` (hundredths of a percent) is the share of the people for
    whom it is held. The hours of config/sending.yaml delay what is written to people, unless `quiet_hours: ignore`.
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
    cap: Cap | None = None
    quiet_hours: Literal["keep", "ignore"] = "keep"
    holdout: Annotated[int, BeforeValidator(share)] = 0

    @model_validator(mode="after")
    def _can_be_capped(self) -> "Rule":
        if self.cap is not None and any(step.message for step in self.then):
            raise ValueError(
                "`cap` cannot hold back a `message`: it is on the topic as soon as the rule decides; let a rule of its"
                " own do it"
            )
        return self

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
