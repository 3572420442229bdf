"""The consent ledger: channels and purposes, yes and no, whoever says it and in whatever order it comes."""

from itertools import permutations
from typing import Any

import pytest

from schemas import fast
from schemas.fast import Touchpoint
from services.profile.add import add
from services.profile.cell import CONSENTS, Cell
from services.profile.definitions import Audience, Definitions
from services.profile.view import View
from tests.profile.profile_stages import NOON, Stages, touchpoint

U = "user_id:1"


def said(message_id: str, consent: Any, at: int = NOON) -> Touchpoint:
    return touchpoint(message_id, U, event="identify", at=at, traits={"consent": consent})


def folded(*touchpoints: Touchpoint) -> Cell:
    cell = Cell()
    for one in touchpoints:
        cell = add(cell, one, Definitions())
    return cell


def answers(*touchpoints: Touchpoint) -> dict[str, str]:
    return fast.loads(View(folded(*touchpoints), Definitions(), NOON).texts[2])


@pytest.mark.parametrize(
    ("consent", "understood"),
    [
        ({"email": True, "sms": "denied"}, {"email": "granted", "sms": "denied"}),
        ({"email": {"granted": True, "by": "form 7", "proof": {"ip": "::1"}}}, {"email": "granted"}),
        (
            {"email": {"newsletter": False, "offers": "granted"}},
            {"email/newsletter": "denied", "email/offers": "granted"},
        ),
        ({"email": {"newsletter": {"granted": False, "by": "Ann"}}}, {"email/newsletter": "denied"}),
        ({"email": {"granted": "yes"}, "": True, "sms": 1, "push": None, "post": {"news": {"by": "x"}}}, {}),
        ({"x" * 129: True, "email": {"y" * 129: True, "": True}}, {}),
        (["email"], {}),
    ],
)
def test_what_an_identify_call_says(consent: Any, understood: dict[str, str]) -> None:
    assert answers(said("m1", consent)) == understood


@pytest.mark.parametrize(
    ("event", "properties", "understood"),
    [
        ("Consent Granted", {"channel": "sms"}, {"sms": "granted"}),
        ("Consent Granted", {"channel": "email", "purpose": "offers"}, {"email/offers": "granted"}),
        ("Consent Denied", {"channel": "email", "purpose": "offers", "by": "Ann"}, {"email/offers": "denied"}),
        ("Consent Denied", {"channel": "email", "purpose": None}, {"email": "denied"}),
        ("Consent Granted", {"channel": "email", "purpose": 7}, {}),
        ("Consent Denied", {"channel": "email", "purpose": 7}, {"email": "denied"}),
        ("Consent Denied", {"purpose": "offers"}, {}),
        ("Email Unsubscribed", {}, {"email": "denied"}),
        ("Email Unsubscribed", {"purpose": "newsletter"}, {"email/newsletter": "denied"}),
        ("Email Marked as Spam", {"purpose": "newsletter"}, {"email": "denied"}),
        ("Email Bounced", {"permanent": True}, {}),
    ],
)
def test_what_an_event_says(event: str, properties: dict[str, Any], understood: dict[str, str]) -> None:
    assert answers(touchpoint("m1", U, event=event, properties=properties)) == understood


def test_a_channel_that_is_denied_later_denies_its_purposes_and_one_that_is_granted_later_grants_none() -> None:
    newsletter = said("m2", {"email": {"newsletter": True}, "sms": {"offers": False}}, NOON + 1)
    no, yes = said("m3", {"email": False, "sms": True}, NOON + 2), said("m1", {"email": False}, NOON)
    for order in permutations([newsletter, no]):
        assert answers(*order) == {
            "email": "denied", "email/newsletter": "denied", "sms": "granted", "sms/offers": "denied",
        }  # fmt: skip
    for order in permutations([newsletter, yes]):
        assert answers(*order)["email/newsletter"] == "granted"
    again = said("m4", {"email": {"newsletter": True}}, NOON + 3)
    for order in permutations([newsletter, no, again]):
        assert answers(*order)["email/newsletter"] == "granted" and answers(*order)["email"] == "denied"


def test_in_one_breath_the_no_counts() -> None:
    call = said("m1", {"email": False, "email/newsletter": True})
    assert answers(call) == {"email": "denied", "email/newsletter": "denied"}


def test_conditions_ask_for_a_purpose_and_fall_back_to_the_channel() -> None:
    who = {
        "news": {"consent": "email", "purpose": "newsletter", "is": "granted"},
        "offers": {"consent": "email", "purpose": "offers", "is": "granted"},
        "unknown": {"consent": "sms", "purpose": "offers", "is": "unknown"},
    }
    definitions = Definitions(audiences=[Audience(name=name, who=one) for name, one in who.items()])
    stages = Stages(definitions).arrive(said("m1", {"email": True}))
    assert stages.profile(U).audiences == ("news", "offers", "unknown")
    stages.arrive(touchpoint("m2", U, event="Email Unsubscribed", at=NOON + 1, properties={"purpose": "newsletter"}))
    assert stages.profile(U).audiences == ("offers", "unknown")
    stages.arrive(touchpoint("m3", U, event="Email Marked as Spam", at=NOON + 2))
    assert stages.profile(U).audiences == ("unknown",)


def test_the_ledger_is_bounded() -> None:
    cell = folded(said("m1", {"email": {f"p{n:03}": True for n in range(CONSENTS + 50)}}))
    assert sorted(cell.consent) == [f"email/p{n:03}" for n in range(CONSENTS)]
