"""docs/glossary.md has every message, topic and field of the wire, each once and with a Chinese term."""

import re
from pathlib import Path

from schemas import wire
from schemas.topics import TOPICS

GLOSSARY = Path(__file__).parents[1] / "docs" / "glossary.md"


def rows(heading: str) -> list[list[str]]:
    """The cells of each row of the table below this heading."""
    below = GLOSSARY.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in below.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def every_row() -> list[list[str]]:
    headings = re.findall(r"^## (.+)$", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    return [row for heading in headings for row in rows(heading)]


def test_every_message_is_there_with_its_topic() -> None:
    written = sorted((row[0].strip("`"), row[1].strip("`")) for row in rows("Messages"))
    assert written == sorted((topic.model.__name__, topic.name) for topic in TOPICS.values())


def test_every_field_is_there_once_and_no_field_that_is_gone() -> None:
    fields = {field for model in wire.Wire for field in model.model_fields}
    assert sorted(row[0].strip("`") for row in rows("Fields")) == sorted(fields)


def test_every_word_is_defined_once() -> None:
    for heading in ("People and what they do", "Who is who", "How it works", "Follow-ups"):
        assert len(rows(heading)) > 5
    words = [row[0] for row in every_row() if not row[0].startswith("`")]
    assert len(words) == len(set(words))


def test_every_row_has_a_chinese_term_and_a_meaning() -> None:
    for row in every_row():
        assert any(re.search(r"[\u4e00-\u9fff]", cell) for cell in row[1:-1]), row
        assert row[-1].endswith((".", ".)")), row
