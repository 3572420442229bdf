"""A share of the people is held out of a rule: always the same ones, and about as many as asked for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.fast import Cause
from services.automation.holdout import HELD, held_out, share
from tests.automation.causes import actions, calling, cause, person, rule

names = st.text(min_size=1, max_size=20)
shares = st.integers(0, 9_999)


@pytest.mark.parametrize(
    ("text", "hundredths"), [("10%", 1000), ("2.5%", 250), ("0.01%", 1), (" 7 % ", 700), ("0%", 0)]
)
def test_a_share_is_written_in_percent(text: str, hundredths: int) -> None:
    assert share(text) == hundredths


@pytest.mark.parametrize(
    "wrong", ["", "10", 10, 0.1, "100%", "-1%", "1e1%", "1.234%", ".5%", "10%%", "\uff110%", None, "5%x"]
)
def test_what_is_no_share_is_told(wrong: Any) -> None:
    with pytest.raises(ValidationError, match=r"such as `10%` or `2.5%`"):
        rule(holdout=wrong)


@given(names, names, names, shares, shares)
def test_whoever_is_held_out_stays_so_when_the_share_grows(w: str, r: str, p: str, one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert held_out(w, r, p, more) or not held_out(w, r, p, less)
    assert not held_out(w, r, p, 0)


@pytest.mark.parametrize("percent", [1, 10, 50, 90])
def test_about_as_many_are_held_out_as_the_share_says_and_others_in_another_rule(percent: int) -> None:
    people = [f"p{number:032x}" for number in range(20_000)]
    one, other = ([held_out("main", name, who, percent * 100) for who in people] for name in ("one", "other"))
    assert abs(sum(one) / 20_000 - percent / 100) < 0.015
    both = sum(a and b for a, b in zip(one, other, strict=True)) / 20_000
    assert abs(both - (percent / 100) ** 2) < 0.015, "the holdouts of two rules have nothing to do with each other"


def of(number: int) -> Cause:
    profile = {name: getattr(person(), name) for name in type(person()).__struct_fields__}
    who = f"p{number:032x}"
    made = cause(profile=type(person())(**profile | {"profile_id": who}))
    return made


def test_the_holdout_is_decided_for_all_steps_of_a_person_and_again_the_same() -> None:
    held = rule(holdout="50%", then=[calling(), calling()])
    answers = [[action.held for action in actions([held], of(number), of(number))] for number in range(64)]
    assert all(len(set(answer)) == 1 for answer in answers)
    assert {answer[0] for answer in answers} == {"", HELD}
    bigger = rule(holdout="50%", title="Other", then=[calling("https://other.example/")])
    assert [actions([bigger], of(number))[0].held for number in range(64)] == [answer[0] for answer in answers]
