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
        ({"then": [{"email": {"from": "a@b.example", "subject": "", "text": "t", "purpose": "a/b"}}]}, "pattern"),
        (
            {"then": [{"sms": {"account_env": "A", "token_env": "T", "from": "0151", "text": "t"}, **calling()}]},
            "one of",
        ),
        (
            {"then": [{"sms": {"account_env": "A", "token_env": "T", "from": "+0", "text": "t"}}]},
            "a sender is a number",
        ),
        ({"then": [{"slack": {"url": "https://hooks.slack.example/x", "text": "t"}}]}, "url_env"),
        ({"then": [{"task": {"title": "t", "secret_env": "S"}}]}, "a task needs one of `url` and `url_env`"),
        ({"then": [{"task": {"title": "t", "secret_env": "S", "url_env": "U", "due": "soon"}}]}, "a whole number and"),
        ({"then": [{"message": {"data": {"a": "x" * 9_000}}}]}, "at most 8192 are possible"),
        ({"then": [{"message": {}}], "cap": {"most": 1, "per": "1d"}}, "`cap` cannot hold back a `message`"),
        ({"cap": {"most": 0, "per": "1d"}}, "greater than or equal to 1"),
        ({"cap": {"most": 1, "per": "10s"}}, "from 1m to 400d"),
        ({"cap": {"most": 1}}, "Field required"),
        ({"quiet_hours": "off"}, "'keep' or 'ignore'"),
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
        {"cap": {"most": 1, "per": "1d"}}, {"cap": {"most": 2, "per": "1d"}}, {"quiet_hours": "ignore"},
        {"holdout": "10%"}, {"then": [{"message": {}}]}, {"then": [{"message": {"data": {"a": 1}}}]},
    ]  # fmt: skip
    prints = [rule(**change).fingerprint() for change in changes]
    assert len(set(prints)) == len(prints)
    assert rule(title="Another").fingerprint() == prints[0]
    assert (
        Rule.model_validate(rule().model_dump(by_alias=True) | {"wait": "0s", "holdout": "0%"}).fingerprint()
        == prints[0]
    )


def test_rules_written_before_there_was_more_to_choose_from_have_the_fingerprints_they_had() -> None:
    calls = rule(name="order_to_crm", title="Orders", then=[{"webhook": {"url_env": "URL", "secret_env": "SECRET"}}])
    waits = rule(
        wait="1h", history="act", **{"if": {"all": [{"trait": "a", "gte": 1.5}, {"property": "b", "is": "c"}]}}
    )
    assert [one.fingerprint() for one in (rule(), calls, waits)] == [
        "69b9199d1c970f176eedee9e064a028b", "02449e62db4582ea6e57b4ad34cf7907", "471bb9d4259b247753452c4ff27b9770",
    ]  # fmt: skip


def test_texts_may_stand_in_files() -> None:
    email = {"from": "a@b.example", "subject": "s", "text_file": "mail/thanks.txt"}
    step = rule(then=[{"email": email}]).then[0]
    read = step.with_files({"mail/thanks.txt": "Hello {{ rule }}"}.__getitem__)
    assert read.email is not None and (read.email.text, read.email.text_file) == ("Hello {{ rule }}", None)
    with pytest.raises(ValidationError, match="`profil` is not known"):
        step.with_files(lambda _: "{{ profil }}")
