"""Rules as they stand in YAML, and what is told when one is wrong."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.automation.definitions import Rule
from tests.automation.causes import calling, rule


@pytest.mark.parametrize(("text", "millis"), [("0s", 0), ("90s", 90_000), ("30m", 1_800_000), ("2d", 172_800_000)])
def test_a_wait_is_a_number_and_a_unit(text: str, millis: int) -> None:
    assert rule(wait=text).wait == millis


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"wait": "1 week"}, "a whole number and s, m, h or d"),
        ({"wait": 60}, "a whole number and s, m, h or d"),
        ({"wait": "400d"}, "the longest wait is 90d"),
        ({"when": {"event": "X", "enters": "y"}}, "one of `event` and `enters`"),
        ({"when": {}}, "one of `event` and `enters`"),
        ({"then": []}, "1 to 10 steps"),
        ({"then": [{}]}, "one of `email`, `sms`, `webhook`, `slack`, `task` and `message`"),
        ({"then": [calling("ftp://x")]}, "pattern"),
        ({"then": [calling("https://user:pw@x.example/")]}, "pattern"),
        ({"then": [{"email": {"from": "a@b.example", "subject": "x"}}]}, "needs `text` or `html`"),
        ({"then": [{"email": {"from": "a@b.example", "subject": "{{ x }}", "text": "t"}}]}, "line 1: `x` is not known"),
        ({"then": [{"email": {"from": "a@b.example", "subject": "", "text": "t", "headers": {"Bcc": "x"}}}]}, "`Bcc`"),
        ({"name": "No Spaces"}, "pattern"),
        ({"if": {"trait": "x"}}, "say exactly one of"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_what_is_wrong_is_told(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        rule(**wrong)


def test_only_another_title_leaves_the_fingerprint_as_it_is() -> None:
    changes: list[dict[str, Any]] = [
        {}, {"wait": "1h"}, {"enabled": False}, {"history": "act"}, {"when": {"event": "Y"}}, {"then": [calling()]},
        {"if": {"trait": "x", "is": 1}}, {"if": {"trait": "x", "is": 2}}, {"workspace": "other"},
    ]  # fmt: skip
    prints = [rule(**change).fingerprint() for change in changes]
    assert len(set(prints)) == len(prints)
    assert rule(title="Another").fingerprint() == prints[0]
    assert (
        Rule.model_validate(rule().model_dump(by_alias=True) | {"wait": "0s", "holdout": "0%"}).fingerprint()
        == prints[0]
    )


def test_texts_may_stand_in_files() -> None:
    email = {"from": "a@b.example", "subject": "s", "text_file": "mail/thanks.txt"}
    step = rule(then=[{"email": email}]).then[0]
    read = step.with_files({"mail/thanks.txt": "Hello {{ rule }}"}.__getitem__)
    assert read.email is not None and (read.email.text, read.email.text_file) == ("Hello {{ rule }}", None)
    with pytest.raises(ValidationError, match="`profil` is not known"):
        step.with_files(lambda _: "{{ profil }}")
