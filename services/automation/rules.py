"""The processor of rules: causes in, actions out, at once or after a wait. Law 5 begins here.

A rule acts on a cause when the cause came in after the rule went live, is not older than a day (unless the rule says
`history: act`) and the rule's conditions hold. An e-mail or SMS to somebody who has not agreed is an action all the
same, but one that is held, so that anybody can see why nothing came. The send key is made of the workspace, the rule,
the step, the audience and the causing message: nothing that a merge, a cut or an edit changes.

What is remembered: one record per rule and cause that waits, from the cause to its wake-up; one per address that
refused e-mail for good (services/automation/bounces.py); one per account, also while no condition
asks for any. A cause that comes again writes the same record and the same wake-up; one that comes again later makes
actions with the same keys, which the ledger absorbs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from schemas import fast
from schemas.fast import Action, Cause, Profile
from schemas.identifiers import account_id, profile_id
from services.automation.bounces import Bounced, bounced_address, bounced_key
from services.automation.check import CompiledRule, RuleId, compile_rule, consents, no_consent
from services.automation.definitions import Rule
from services.automation.fields import DAY
from services.automation.holdout import HELD, held_out
from services.conditions.subject import account_of, account_traits, event_name, facts
from services.conditions.tree import uses
from services.processor import WAKEUPS, Emit, Frame, Outcome, Wakeup

_action = msgspec.json.Decoder(Action).decode
_profile = msgspec.json.Decoder(Profile).decode


class Waiting(msgspec.Struct, frozen=True, tag="waiting"):
    """What a rule will do when its wait is over, kept under `pending_key`: each action as JSON."""

    actions: tuple[bytes, ...]


class Known(msgspec.Struct, frozen=True, tag="account"):
    """What rules know of an account, kept under its profile id: its document as JSON."""

    version: int
    document: bytes


class Rules:
    """Starts follow-ups. `rules` are all that there are, of every workspace; `live_at` says by (workspace, rule name)
    when each one went live (epoch ms)."""

    name = "rules"
    inputs = ("accounts", "causes")
    record: Any = Waiting | Bounced | Known

    def __init__(self, rules: Sequence[Rule], live_at: Mapping[RuleId, int]):
        self._by_trigger: dict[tuple[str, str, str], list[tuple[CompiledRule, int]]] = {}
        for rule in rules:
            if rule.enabled:
                trigger = (rule.workspace, rule.when.enters or "", rule.when.event or "")
                live = live_at[rule.workspace, rule.name]
                self._by_trigger.setdefault(trigger, []).append((compile_rule(rule), live))
        conditions = [rule.condition for rule in rules if rule.enabled and rule.condition is not None]
        self.asks_accounts = any("account" in uses(condition) for condition in conditions)

    def wants(self, frame: Frame, have: Mapping[str, Any]) -> Iterable[str]:
        """The records of the waits that are over, and of the accounts that conditions ask for."""
        if frame.topic == WAKEUPS:
            return [wakeup.key for wakeup in frame.messages]
        if frame.topic == "accounts":
            return [account.profile_id for account in frame.messages]
        return [key for cause in frame.messages if (key := _account_key(cause))] if self.asks_accounts else ()

    def decide(self, frame: Frame, records: Mapping[str, Any]) -> Outcome:
        """Causes become actions or waits; waits that are over become actions; accounts are remembered."""
        if frame.topic == WAKEUPS:
            over = [wakeup.key for wakeup in frame.messages if records[wakeup.key] is not None]
            emits = [_emit(_action(action)) for key in over for action in records[key].actions]
            return Outcome(dict.fromkeys(over), emits, [])
        outcome = Outcome({}, [], [])
        if frame.topic == "accounts":
            self._remember(frame.messages, records, outcome)
            return outcome
        for cause in frame.messages:
            if not cause.audience and (address := bounced_address(cause.touchpoint)):
                touchpoint = cause.touchpoint
                bounced = Bounced(touchpoint.timestamp, touchpoint.message_id)
                outcome.records[bounced_key(cause.workspace, address)] = bounced
            for compiled in self._acting(cause):
                self._act(compiled, cause, self._account(cause, records), outcome)
        return outcome

    def _remember(self, accounts: Sequence[Profile], records: Mapping[str, Any], outcome: Outcome) -> None:
        for account in accounts:
            known: Any = outcome.records.get(account.profile_id) or records[account.profile_id]
            if known is None or known.version < account.version:
                outcome.records[account.profile_id] = Known(account.version, fast.dumps(account))

    def _account(self, cause: Cause, records: Mapping[str, Any]) -> Mapping[str, Any]:
        """The traits of the account that the person acted for, as far as conditions ask for any."""
        key = _account_key(cause) if self.asks_accounts else ""
        known = records[key] if key else None
        return account_traits(_profile(known.document)) if known is not None else {}

    def _acting(self, cause: Cause) -> Iterator[CompiledRule]:
        """The rules that this cause triggers and that may act on it, whatever their conditions say."""
        event = "" if cause.audience else event_name(cause.touchpoint)
        for compiled, live in self._by_trigger.get((cause.workspace, cause.audience, event), ()):
            if may_act(compiled.rule, live, cause):
                yield compiled

    def _act(self, compiled: CompiledRule, cause: Cause, account: Mapping[str, Any], outcome: Outcome) -> None:
        rule = compiled.rule
        due = cause.touchpoint.received_at + rule.wait
        actions = tuple(_actions(compiled, cause, account, due))
        if not rule.wait:
            outcome.emits.extend(map(_emit, actions))
            return
        key = pending_key(rule, cause)
        if actions and key not in outcome.records:
            outcome.records[key] = Waiting(tuple(fast.dumps(action) for action in actions))
            outcome.wakeups.append(Wakeup(due, key))


def may_act(rule: Rule, live_at: int, cause: Cause) -> bool:
    """Whether a rule that went live at `live_at` may act on this cause at all.

    Never on what came in before it was live, nor on an audience that a restored touchpoint made somebody enter: the
    platform it was exported from has judged that. On what is restored or older than a day only with `history: act`.
    """
    touchpoint = cause.touchpoint
    if touchpoint.received_at < live_at or (touchpoint.restored and cause.audience):
        return False
    if rule.history == "act":
        return True
    return not touchpoint.restored and touchpoint.received_at - touchpoint.timestamp <= DAY


def send_key(rule: Rule, cause: Cause, step: int) -> str:
    """The name of a follow-up, once and for all. The message id is last, because it alone may hold any character."""
    return f"{rule.workspace}/{rule.name}/{step}/{cause.audience}/{cause.touchpoint.message_id}"


def pending_key(rule: Rule, cause: Cause) -> str:
    """The key of the record that keeps what waits for this rule and cause. A message id that comes under two anchors is
    two causes, of one follow-up: the ledger takes the first action of them."""
    anchor = profile_id(cause.workspace, cause.anchor)
    return f"{rule.workspace}/{rule.name}/{cause.audience}/{anchor}/{cause.touchpoint.message_id}"


def _account_key(cause: Cause) -> str:
    group = account_of(cause.profile, cause.touchpoint)
    return account_id(cause.workspace, group) if group else ""


def _actions(compiled: CompiledRule, cause: Cause, account: Mapping[str, Any], due: int) -> Iterator[Action]:
    rule, subject = compiled.rule, facts(cause.profile, cause.touchpoint, account)
    if not compiled.holds(subject):
        return
    out = rule.holdout > 0 and held_out(rule.workspace, rule.name, cause.profile_id, rule.holdout)
    for number, step in enumerate(rule.then):
        yield Action(
            workspace=cause.workspace,
            key=send_key(rule, cause, number),
            rule=rule.name,
            step=number,
            kind=step.kind,
            anchor=cause.anchor,
            profile_id=cause.profile_id,
            audience=cause.audience,
            cause=cause.touchpoint.message_id,
            decided_at=due,
            held=HELD if out else "" if consents(step, subject) else no_consent(step),
            data=fast.raw(step.message.data) if step.message else fast.EMPTY,
            touchpoint=cause.touchpoint,
        )


def _emit(action: Action) -> Emit:
    return Emit("actions", action.profile_id, action)
