"""The examples of docs/accounts.md may stand in the configuration folder, and leave nothing to doubt."""

import re
from pathlib import Path

from services.configuration import load_config

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "accounts.md").read_text(encoding="utf-8")


def test_the_examples_can_be_used_as_they_stand(tmp_path: Path) -> None:
    traits, rule = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "rules").mkdir()
    for name, text in (("sources", "sources: []\n"), ("traits", traits), ("rules/offer", rule)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    config = load_config(tmp_path)
    assert config.warnings == ()
    assert [computed.name for computed in config.definitions.accounts.computed] == ["seats_used"]
