"""schemas/json is what the models say, byte for byte."""

from schemas.generate import FOLDER, texts


def test_the_generated_schemas_are_up_to_date() -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    wanted = texts()
    stale = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    assert not stale, f"run `make schemas`: stale are {', '.join(stale)}"


def test_generating_is_deterministic() -> None:
    assert texts() == texts()
