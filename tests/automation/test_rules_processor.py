"""Rules start follow-ups: once per cause, only on what they may act on, after the wait they ask for."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import fast
from schemas.fast import Action, Cause
from services.automation.definitions import Rule
from services.automation.rules import Rules, pending_key
from services.conditions.subject import CONSENTS
from services.processor import WAKEUPS, Frame, Outcome, Wakeup
from services.profile import cell
from tests.automation.causes import HOUR, NOON, account, actions, calling, cause, live, person, rule, touchpoint

DAY = 24 * HOUR


class Stage:
    """The processor with its records and wake-ups, as a runtime keeps them."""

    def __init__(self, rules: Sequence[Rule]):
        self.processor = Rules(rules, live(*rules))
        self.records: dict[str, Any] = {}
        self.wakeups: set[Wakeup] = set()
        self.emitted: list[Action] = []

    def take(self, frame: Frame) -> Outcome:
        wanted = self.processor.wants(frame, {})
        outcome = self.processor.decide(frame, {key: self.records.get(key) for key in wanted})
        self.records |= {key: self._kept(record) for key, record in outcome.records.items()}
        self.wakeups |= set(outcome.wakeups)
        self.emitted += [emit.message for emit in outcome.emits]
        return outcome

    def _kept(self, record: Any) -> Any:
        """The record as it is read again from a store."""
        if record is None:
            return None
        return msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=self.processor.record)

    def wake(self, until: int) -> None:
        for wakeup in sorted(w for w in self.wakeups if w.due <= until):
            self.wakeups.remove(wakeup)
            self.take(Frame(WAKEUPS, 0, [wakeup], wakeup.due))


RULES = [
    rule(),
    rule(name="later", wait="1h"),
    rule(name="both", then=[calling(), *rule().model_dump(by_alias=True)["then"]]),
    rule(name="big", when={"enters": "big_spenders"}),
    rule(name="big_later", when={"enters": "big_spenders"}, wait="30m"),
    rule(name="pro", **{"if": {"trait": "plan", "is": "pro"}}),
]
causes = st.builds(
    lambda number, audience, plan: cause(
        touchpoint(f"m{number}", received_at=NOON + number), person(plan=plan), audience
    ),
    st.integers(0, 8),
    st.sampled_from(["", "", "big_spenders", "others"]),
    st.sampled_from(["free", "pro"]),
).map(lambda made: (made.touchpoint.message_id, made.audience, made))


@given(st.lists(causes, max_size=20, unique_by=lambda c: c[:2]), st.data())
def test_duplicates_and_frame_cuts_add_no_key_and_lose_none(history: list[tuple[str, str, Cause]], data: Any) -> None:
    plain = Stage(RULES)
    for _, _, one in history:
        plain.take(Frame("causes", 0, [one], NOON))
    plain.wake(NOON + DAY)

    again = Stage(RULES)
    doubled = [one for _, _, c in history for one in [c] * data.draw(st.integers(1, 3))]
    cuts = data.draw(st.lists(st.integers(0, len(doubled)), max_size=6).map(sorted))
    for start, end in zip([0, *cuts], [*cuts, len(doubled)], strict=True):
        again.take(Frame("causes", 0, doubled[start:end], NOON))
        if data.draw(st.booleans()):
            again.wake(NOON + HOUR // 2 + 4)
        if data.draw(st.booleans()):
            again.processor = Rules(RULES, live(*RULES))
    again.wake(NOON + DAY)

    def decided(stage: Stage) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for action in stage.emitted:
            text = fast.dumps(action)
            assert found.setdefault(action.key, text) == text, "one key is always the same action"
        return found

    assert decided(again) == decided(plain)
    assert len(plain.emitted) == len(decided(plain)), "without duplicates every key comes out once"
    assert not any(again.records.values()), "nothing is remembered once every wait is over"


def test_a_cause_that_comes_again_while_it_waits_does_not_wait_twice() -> None:
    stage = Stage([rule(wait="1h")])
    stage.take(Frame("causes", 0, [cause(), cause()], NOON))
    stage.take(Frame("causes", 0, [cause()], NOON))
    assert stage.wakeups == {Wakeup(NOON + HOUR, pending_key(rule(wait="1h"), cause()))}
    stage.wake(NOON + HOUR - 1)
    assert not stage.emitted
    stage.wake(NOON + HOUR)
    assert [a.key for a in stage.emitted] == ["main/thanks/0//m1"]
    assert stage.emitted[0].decided_at == NOON + HOUR


def test_the_key_names_workspace_rule_step_audience_and_message() -> None:
    made = cause(touchpoint("a/b/c"), audience="big_spenders")
    both = rule(when={"enters": "big_spenders"}, then=[calling(), calling()])
    assert [a.key for a in actions([both], made)] == [
        "main/thanks/0/big_spenders/a/b/c",
        "main/thanks/1/big_spenders/a/b/c",
    ]


def test_neither_another_person_nor_another_text_changes_the_key() -> None:
    moved = Cause(**{f: getattr(cause(), f) for f in Cause.__struct_fields__} | {"profile_id": "p" + "0" * 32})
    edited = rule(title="Other", then=[{"email": {"from": "a@b.example", "subject": "Other", "text": "Other"}}])
    assert actions([rule()], cause())[0].key == actions([edited], moved)[0].key


def test_a_rule_acts_only_on_its_own_trigger_and_workspace() -> None:
    assert actions([rule()], cause())
    assert not actions([rule()], cause(touchpoint(event="Other")))
    assert not actions([rule()], cause(audience="big_spenders")), "an entry is not the event itself"
    assert not actions([rule(workspace="other")], cause())
    assert not actions([rule(enabled=False)], cause())
    entering = rule(when={"enters": "big_spenders"})
    assert actions([entering], cause(audience="big_spenders"))
    assert not actions([entering], cause(audience="others"))
    assert not actions([entering], cause())


@pytest.mark.parametrize("history", ["ignore", "act"])
def test_nothing_received_before_the_rule_went_live_starts_it(history: str) -> None:
    assert actions([rule(history=history)], cause(), at=NOON)
    assert not actions([rule(history=history)], cause(), at=NOON + 1)


def test_old_and_restored_events_act_only_with_history_act() -> None:
    fresh, old = touchpoint(timestamp=NOON - DAY), touchpoint(timestamp=NOON - DAY - 1)
    restored = touchpoint(restored=True)
    plain, acting = [rule()], [rule(history="act")]
    assert actions(plain, cause(fresh))
    assert not actions(plain, cause(old)) and actions(acting, cause(old))
    assert not actions(plain, cause(restored)) and actions(acting, cause(restored))


def test_an_audience_entered_by_a_restored_touchpoint_never_acts() -> None:
    entering = rule(when={"enters": "big_spenders"}, history="act")
    assert actions([entering], cause(touchpoint(timestamp=0), audience="big_spenders"))
    assert not actions([entering], cause(touchpoint(restored=True), audience="big_spenders"))


def test_conditions_are_asked_of_the_person_and_the_touchpoint() -> None:
    asking = rule(**{"if": {"all": [{"trait": "plan", "is": "pro"}, {"property": "total", "gt": 12}]}})
    assert actions([asking], cause(profile=person(plan="pro")))
    assert not actions([asking], cause(profile=person(plan="free")))
    small = touchpoint(properties=fast.raw({"total": 12}))
    assert not actions([asking], cause(small, person(plan="pro")))


@pytest.mark.parametrize(
    ("consent", "required", "unless_denied"), [("granted", True, True), ("", False, True), ("denied", False, False)]
)
def test_an_email_asks_for_consent_and_a_webhook_does_not(consent: str, required: bool, unless_denied: bool) -> None:
    def with_consent(mode: str) -> Rule:
        return rule(then=[calling(), {"email": {"from": "a@b.example", "subject": "", "text": "t", "consent": mode}}])

    assert rule().then[0].email.consent == "required"  # type: ignore[union-attr]
    for mode, allowed in (("required", required), ("unless_denied", unless_denied)):
        held = {a.kind: a.held for a in actions([with_consent(mode)], cause(profile=person(consent)))}
        assert held == {"webhook": "", "email": "" if allowed else "the person does not consent to e-mail"}


@pytest.mark.parametrize("asked", [{}, {"consent": "unless_denied"}, {"consent": "unless_denied", "purpose": "news"}])
def test_a_no_that_may_have_been_pushed_out_is_a_no(asked: dict[str, str]) -> None:
    """A public key is enough to give answers; of more than a profile holds, the least names stay."""
    email = {"from": "a@b.example", "subject": "", "text": "t"} | asked
    flood = dict.fromkeys((f"!{number}" for number in range(CONSENTS - 1)), "granted")
    for kept, sent in (({}, "consent" in asked), ({"": "granted"}, False)):
        somebody = msgspec.structs.replace(person(), consent=fast.raw(flood | kept))
        (action,) = actions([rule(then=[{"email": email}])], cause(profile=somebody))
        assert (not action.held) is sent
    assert CONSENTS == cell.CONSENTS


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ({"email": "granted"}, True), ({"email/newsletter": "granted"}, True), ({}, False),
        ({"email": "granted", "email/newsletter": "denied"}, False), ({"email/receipts": "granted"}, False),
        ({"sms": "granted"}, False),
    ],
)  # fmt: skip
def test_a_purpose_has_its_own_answer_else_that_of_the_channel(said: dict[str, str], sent: bool) -> None:
    asking = rule(then=[{"email": {"from": "a@b.example", "subject": "", "text": "t", "purpose": "newsletter"}}])
    profile = msgspec.structs.replace(person(), consent=fast.raw(said))
    (action,) = actions([asking], cause(profile=profile))
    assert action.held == ("" if sent else "the person does not consent to e-mail for newsletter")


@pytest.mark.parametrize(("kind", "event", "trigger"), [("page", "Home", "page"), ("identify", "", "identify")])
def test_calls_other_than_track_trigger_by_their_type(kind: str, event: str, trigger: str) -> None:
    visit = touchpoint(type=kind, event=event)
    assert len(actions([rule(when={"event": trigger})], cause(visit))) == 1
    assert actions([rule(when={"event": "Home"})], cause(visit)) == []


def test_a_rule_asks_both_the_person_and_the_account_they_act_for() -> None:
    both = {"all": [{"account": "plan", "is": "pro"}, {"trait": "role", "is": "buyer"}]}
    stage = Stage([rule(**{"if": both})])
    buyer = msgspec.structs.replace(person(role="buyer"), accounts=("acme", "globex"))
    stage.take(Frame("causes", 0, [cause(profile=buyer)], NOON))
    stage.take(Frame("accounts", 0, [account("acme", plan="pro"), account("globex", plan="free")], NOON))
    stage.take(Frame("causes", 0, [cause(touchpoint("m2"), buyer)], NOON))
    stage.take(Frame("causes", 0, [cause(touchpoint("m3", group_id="globex"), buyer)], NOON))
    stage.take(Frame("causes", 0, [cause(touchpoint("m4"), person(role="buyer"))], NOON))
    assert [action.cause for action in stage.emitted] == ["m2"]


def test_the_newest_word_of_an_account_counts_in_whatever_order_it_comes() -> None:
    stage = Stage([rule(**{"if": {"account": "plan", "is": "pro"}})])
    newer, older = account("acme", 2, plan="pro"), account("acme", 1, plan="free")
    stage.take(Frame("accounts", 0, [newer, older], NOON))
    stage.take(Frame("accounts", 0, [older], NOON))
    stage.take(Frame("causes", 0, [cause(touchpoint(group_id="acme"))], NOON))
    assert len(stage.emitted) == 1


def test_a_rule_that_is_written_later_knows_the_accounts_from_before() -> None:
    before, after = Stage([rule()]), Stage([rule(**{"if": {"account": "plan", "is": "pro"}})])
    before.take(Frame("accounts", 0, [account("acme", plan="pro")], NOON))
    after.records = before.records
    after.take(Frame("causes", 0, [cause(touchpoint(group_id="acme"))], NOON))
    assert len(after.emitted) == 1
