"""Whether a rule may act for this person now: the same questions at the trigger and again at sending."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.fast import Action
from services.automation.definitions import Rule
from services.automation.steps import Step
from services.conditions.compile import Predicate, compiled
from services.conditions.subject import Facts

RuleId = tuple[str, str]  # (workspace, name)


class CompiledRule(NamedTuple):
    """A rule, its conditions as one function, and the environment variables that it needs and that are not set."""

    rule: Rule
    holds: Predicate
    unset: frozenset[str] = frozenset()


def compile_rule(rule: Rule) -> CompiledRule:
    """The rule ready to be asked. Without conditions it holds for everybody."""
    return CompiledRule(rule, compiled(rule.condition) if rule.condition else lambda subject: True)


def compile_rules(rules: Iterable[Rule], environment: Mapping[str, str]) -> dict[RuleId, CompiledRule]:
    """All rules by workspace and name, to be carried out in this environment."""
    return {(rule.workspace, rule.name): compile_rule(rule)._replace(unset=rule.unset(environment)) for rule in rules}


def consents(step: Step, subject: Facts) -> bool:
    """Whether the person may be sent this. What is no message to the person (a webhook, a task) asks nobody; whose
    answer may be lost, has not agreed."""
    written = step.to_the_person
    if written is None:
        return True
    if subject.unheard(step.kind, written.purpose or ""):
        return False
    answer = subject.consent(step.kind, written.purpose or "")
    return answer == "granted" if written.consent == "required" else answer != "denied"


def hold(found: CompiledRule | None, action: Action, subject: Facts | None) -> str:
    """Why this action must not be sent now, in words for the ledger; empty when it may be.

    `found` is the rule as it is now, `subject` the person as they are now with the touchpoint that was the cause, or
    None when nobody is there any more.
    """
    if action.held:
        return action.held
    if found is None or not found.rule.enabled:
        return "the rule is switched off" if found else "the rule is not there any more"
    if action.step >= len(found.rule.then) or found.rule.then[action.step].kind != action.kind:
        return "the rule has no such step any more"
    if subject is None:
        return "the person is not there any more"
    if not found.holds(subject):
        return "the rule's conditions do not hold any more"
    step = found.rule.then[action.step]
    if not consents(step, subject):
        return no_consent(step)
    if missing := sorted(step.variables & found.unset):
        again = f"start again with it, then `rapport resend --rule {found.rule.name}`"
        return f"the platform was started without {' and '.join(missing)} in its environment: {again}"
    return ""


def no_consent(step: Step) -> str:
    """The reason for which a message to the person is held when they have not agreed to it."""
    purpose = step.to_the_person.purpose if step.to_the_person else None
    channel = {"email": "e-mail", "sms": "SMS"}[step.kind]
    return f"the person does not consent to {channel}" + (f" for {purpose}" if purpose else "")
