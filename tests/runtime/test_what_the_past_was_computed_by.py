"""Definitions that changed are named until the past is computed by them, and the platform says so when it starts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.automation.definitions import Rule
from services.configuration import load_config
from services.runtime import past, rebuild
from services.runtime.doubts import doubts
from services.runtime.files import Files
from services.runtime.sqlite_state import StateFile
from tests.automation.causes import calling

NOON = 1_770_000_000_000
BEFORE = {
    "sources.yaml": "sources: []\n",
    "traits.yaml": "traits:\n- {name: orders, event: Ordered, count: true}\n- {name: old, event: X, count: true}\n",
    "audiences.yaml": "audiences:\n- {name: regulars, who: {trait: orders, gte: 2}}\n",
}
SEATS = "- {name: seats, event: X, distinct: seat, of: account}\n"


class Folder:
    """A configuration that can be edited, and a state file."""

    def __init__(self, at: Path):
        self.config, self.files = at / "config", Files(at / "data")
        (self.config / "rules").mkdir(parents=True)
        self.files.folder.mkdir()
        self.db = StateFile(self.files.state, ["assemble", "identity"]).db
        for name, text in BEFORE.items():
            self.edit(name, text)

    def edit(self, name: str, text: str) -> None:
        (self.config / name).write_text(text)

    def start(self, now: int = NOON) -> str:
        """What the engine does when it loads, and then what is said."""
        past.note(self.db, load_config(self.config), now)
        return past.changed(self.db, load_config(self.config))

    def compute(self) -> None:
        """A touchpoint was read."""
        self.db.execute("INSERT OR REPLACE INTO watermarks VALUES ('fold', 'touchpoints', 1)")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.db.close()


def test_nothing_is_said_while_nothing_changed_or_nothing_is_computed_yet(folder: Folder) -> None:
    assert folder.start() == ""
    folder.edit("traits.yaml", "traits: []\n")
    assert folder.start() == ""
    folder.compute()
    assert folder.start() == ""


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("traits.yaml", BEFORE["traits.yaml"].replace("event: X", "event: Y"), "the trait old"),
        ("traits.yaml", BEFORE["traits.yaml"] + "- {name: new, event: X, count: true}\n", "the trait new"),
        ("traits.yaml", BEFORE["traits.yaml"] + SEATS, "the account trait seats"),
        ("audiences.yaml", BEFORE["audiences.yaml"].replace("2", "3"), "the audience regulars"),
        ("identity.yaml", "region: CN\n", "the rules of identity"),
        (
            "rules/hi.yaml",
            "name: hi\nwhen: {event: A}\nif: {event: B}\nthen: [{webhook: {url_env: U, secret_env: S}}]\n",
            'the count of "B" for a rule',
        ),
    ],
)
def test_what_is_new_is_named_until_the_past_is_computed(folder: Folder, name: str, text: str, named: str) -> None:
    folder.start()
    folder.compute()
    folder.edit(name, text)
    for _ in range(2):
        said = folder.start(NOON + 86_400_000)
        assert f"since 2026-02-02 02:40 UTC: {named}. What" in said
        assert ("rapport replay" if name == "identity.yaml" else "rapport traits backfill") in said
    rebuild.begin(folder.db, ["assemble", "identity"], 1, now=0)
    folder.start()
    folder.compute()
    assert folder.start() == ""


def test_a_back_fill_leaves_the_rules_of_identity_to_a_replay(folder: Folder) -> None:
    folder.start()
    folder.compute()
    folder.edit("traits.yaml", BEFORE["traits.yaml"] + "- {name: new, event: X, count: true}\n" + SEATS)
    folder.edit("identity.yaml", "region: CN\n")
    past.renew(folder.db, load_config(folder.config), NOON)
    said = folder.start()
    assert "the rules of identity. What" in said and "rapport replay" in said and "trait" not in said.split(".")[0]


def test_what_is_gone_or_only_called_otherwise_is_not_named(folder: Folder) -> None:
    folder.start()
    folder.compute()
    folder.edit("traits.yaml", "# one is gone\ntraits:\n- {name: orders, count: true, event: Ordered}\n")
    folder.edit("audiences.yaml", BEFORE["audiences.yaml"].replace("regulars,", "regulars, title: Regulars,"))
    assert folder.start() == ""


def test_a_start_tells_all_doubts_and_a_folder_without_data_has_none_of_its_own(folder: Folder, tmp_path: Path) -> None:
    step = calling(url_env="CRM_URL", url=None)
    rule = Rule.model_validate({"name": "hi", "when": {"event": "A"}, "then": [step, step]})
    config = load_config(folder.config)._replace(warnings=("doubtful",), rules=(rule,))
    folder.start()
    folder.compute()
    folder.edit("identity.yaml", "region: CN\n")
    changed = load_config(folder.config)._replace(warnings=("doubtful",), rules=(rule,))
    said = list(doubts(changed, folder.files, {"CRM_SECRET": "x"}))
    assert said[0] == "doubtful" and said[1].startswith("CRM_URL is not set") and "`rapport replay`" in said[2]
    everything_set = {"CRM_SECRET": "x", "CRM_URL": "https://x.example"}
    assert list(doubts(config, Files(tmp_path / "empty"), everything_set)) == ["doubtful"]
    switched_off = config._replace(rules=(rule.model_copy(update={"enabled": False}),))
    assert list(doubts(switched_off, Files(tmp_path / "empty"), {})) == ["doubtful"]
