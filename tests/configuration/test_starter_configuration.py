"""The starter set in config/ is right, and says what its comments claim."""

from pathlib import Path

import pytest

from services.configuration import load_config
from services.configuration.folder import FILES
from services.identifiers.rules import DEFAULT_RULES
from services.ingest.sources import Limits
from services.yamlfile import read

FOLDER = Path(__file__).parents[2] / "config"


def test_the_starter_set_can_be_loaded() -> None:
    config = load_config(FOLDER)
    assert {source.name: source.trusted for source in config.sources} == {"web": False, "shop": True, "import": True}
    assert config.traits
    assert config.audiences
    assert config.rules


def test_every_file_of_the_set_is_one_that_is_read() -> None:
    inside = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.yaml")}
    assert inside - {f"rules/{path.name}" for path in FOLDER.glob("rules/*")} == set(FILES)


def test_the_files_of_defaults_really_hold_the_defaults() -> None:
    config = load_config(FOLDER)
    assert (config.identity, config.limits) == (DEFAULT_RULES, Limits())
    assert set(read(FOLDER / "identity.yaml").value["types"]) == set(DEFAULT_RULES.types)
    assert set(read(FOLDER / "limits.yaml").value) == set(Limits.model_fields)


def test_the_keys_of_the_starter_set_are_demo_keys_and_the_file_says_so() -> None:
    config = load_config(FOLDER)
    assert all(source.write_key.startswith("demo-") for source in config.sources)
    assert "DEMO KEYS" in (FOLDER / "sources.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yaml")), ids=lambda path: path.name)
def test_every_file_begins_by_saying_what_it_is_for(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")
