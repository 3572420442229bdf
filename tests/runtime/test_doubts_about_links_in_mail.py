"""Whoever starts a platform whose e-mails lead nowhere back is told so, and nobody else."""

from pathlib import Path

import pytest

from services.automation.definitions import Rule
from services.configuration import load_config
from services.runtime.doubts import doubts
from services.runtime.files import Files

URL, SECRET = {"RAPPORT_PUBLIC_URL": "https://x.example"}, {"RAPPORT_LINK_SECRET": "s" * 24}


@pytest.mark.parametrize(
    ("text", "environment", "named"),
    [
        ("Hello", {}, ""),
        ("Stop: {{ unsubscribe_url }}", {}, "RAPPORT_LINK_SECRET and RAPPORT_PUBLIC_URL are"),
        ("Hello", URL, "RAPPORT_LINK_SECRET is"),
        ("Hello", SECRET, "RAPPORT_PUBLIC_URL is"),
        ("Stop: {{ unsubscribe_url }}", URL | SECRET, ""),
    ],
)
def test_e_mails_that_lead_nowhere_back_are_told_of(
    text: str, environment: dict[str, str], named: str, tmp_path: Path
) -> None:
    (tmp_path / "sources.yaml").write_text("sources: [{name: a, write_key: b}]\n")
    mail = {"from": "a@b.example", "subject": "x", "html": text}
    rule = Rule.model_validate({"name": "hi", "when": {"event": "A"}, "then": [{"email": mail}]})
    config = load_config(tmp_path)._replace(rules=(rule,))
    said = list(doubts(config, Files(tmp_path / "none"), environment))
    assert [one.partition(" not set")[0] for one in said] == ([named] if named else [])
    off = config._replace(rules=(rule.model_copy(update={"enabled": False}),))
    assert (list(doubts(off, Files(tmp_path / "none"), {}))) == []
