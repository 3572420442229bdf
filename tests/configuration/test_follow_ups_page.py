"""Every example of docs/follow-ups.md is a file that may stand in the configuration folder beside the starter set."""

import re
import shutil
from pathlib import Path

import pytest

from services.configuration import load_config
from services.errors import ConfigError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "follow-ups.md").read_text(encoding="utf-8")
KINDS = {"email", "sms", "slack", "webhook", "task", "message"}


def test_the_examples_can_be_used_as_they_stand(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    for name in ("sources", "traits", "audiences"):
        shutil.copy(ROOT / "config" / f"{name}.yaml", tmp_path)
    for name, text in re.findall(r"^```yaml\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text, encoding="utf-8")
    config = load_config(tmp_path)
    assert {step.kind for rule in config.rules for step in rule.then} == KINDS
    assert config.sending.quiet is not None and config.sending.caps.sms is not None


def test_the_starter_file_holds_nothing_back_until_its_lines_are_uncommented(tmp_path: Path) -> None:
    assert load_config(ROOT / "config").sending == load_config(_with(tmp_path / "none", "")).sending
    text = (ROOT / "config" / "sending.yaml").read_text(encoding="utf-8")
    lines = "\n".join(re.findall(r"^# ((?:caps:|  \w+: \{|quiet: \{).*)$", text, re.MULTILINE))
    sending = load_config(_with(tmp_path / "all", lines)).sending
    assert sending.quiet is not None and sending.caps.email is not None and sending.caps.sms is not None


def test_what_is_wrong_in_it_is_told_with_its_line(tmp_path: Path) -> None:
    text = 'caps: {emails: {most: 1, per: 1d}}\nquiet: {from: 21:00, to: "25:00", time_zone: Asia/Shangai}\n'
    with pytest.raises(ConfigError) as wrong:
        load_config(_with(tmp_path / "wrong", text))
    told = "\n".join(wrong.value.problems)
    assert 'line 1: "caps.emails" is not known here; did you mean "email"?' in told
    assert 'line 2: "quiet.to"' in told and "a time of day in quotes" in told
    assert 'line 2: "quiet.time_zone" expected the name of a time zone' in told


def _with(folder: Path, sending: str) -> Path:
    folder.mkdir()
    shutil.copy(ROOT / "config" / "sources.yaml", folder)
    (folder / "sending.yaml").write_text(sending, encoding="utf-8")
    return folder
