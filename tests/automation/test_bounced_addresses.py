"""An address that refused e-mail for good is remembered, for everybody, when somebody known tells it."""

from typing import Any

import pytest

from schemas import fast
from services.automation.bounces import Bounced, bounced_address, bounced_key
from services.automation.rules import Rules, pending_key
from services.processor import Frame
from tests.automation.causes import NOON, cause, live, rule, touchpoint


def bounce(**more: Any) -> Any:
    properties = {"email": "Ann@Example.com", "permanent": True, "reason": "550"} | more.pop("properties", {})
    return touchpoint("b1", event="Email Bounced", properties=fast.raw(properties), **({"trust": "signed"} | more))


@pytest.mark.parametrize("trust", ["secret", "signed", "server"])
def test_a_permanent_bounce_is_remembered_under_the_address(trust: str) -> None:
    outcome = Rules([], {}).decide(Frame("causes", 0, [cause(bounce(trust=trust))], NOON), {})
    assert outcome.records == {"=bounced/main/ann@example.com": Bounced(NOON, "b1")}
    assert bounced_key("main", " ann@EXAMPLE.com".strip()) in outcome.records


@pytest.mark.parametrize(
    "told",
    [
        bounce(trust="public"), bounce(properties={"permanent": False}), bounce(properties={"permanent": "true"}),
        bounce(properties={"email": 7}), bounce(properties={"email": "nobody"}), bounce(type="page"), touchpoint(),
    ],
)  # fmt: skip
def test_nothing_else_is(told: Any) -> None:
    assert bounced_address(told) == ""
    assert Rules([], {}).decide(Frame("causes", 0, [cause(told)], NOON), {}).records == {}


def test_a_bounce_may_start_a_rule_too_and_takes_the_key_of_no_wait() -> None:
    waiting = rule(name="bounced", workspace="main", when={"event": "Email Bounced"}, wait="1h")
    outcome = Rules([waiting], live(waiting)).decide(Frame("causes", 0, [cause(bounce())], NOON), {})
    assert set(outcome.records) == {"=bounced/main/ann@example.com", pending_key(waiting, cause(bounce()))}
