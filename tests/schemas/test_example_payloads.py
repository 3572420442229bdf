"""The example payloads of every topic: what is good is read by both readers, what is bad is refused by both."""

import json
from pathlib import Path

import msgspec
import pytest
from pydantic import ValidationError

from schemas import fast
from schemas.topics import TOPICS, Topic

FOLDER = Path(__file__).parents[2] / "schemas" / "examples"


def examples(what: str) -> list[Path]:
    return sorted(FOLDER.glob(f"*/{what}-*.json"))


def of(path: Path) -> tuple[Topic, bytes]:
    return TOPICS[path.parent.name], path.read_bytes()


def label(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", examples("good"), ids=label)
def test_a_good_example_is_read_alike_by_both(path: Path) -> None:
    topic, line = of(path)
    by_wire = topic.model.model_validate_json(line)
    by_fast = msgspec.json.decode(line, type=getattr(fast, topic.model.__name__))
    assert json.loads(by_wire.model_dump_json()) == json.loads(fast.dumps(by_fast))


@pytest.mark.parametrize("path", examples("bad"), ids=label)
def test_a_bad_example_is_refused_by_both(path: Path) -> None:
    topic, line = of(path)
    with pytest.raises(ValidationError):
        topic.model.model_validate_json(line)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(line, type=getattr(fast, topic.model.__name__))


def test_every_topic_has_good_and_bad_examples() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(TOPICS)
    for name in TOPICS:
        assert any(path.parent.name == name for path in examples("good")), name
        assert any(path.parent.name == name for path in examples("bad")), name


def test_every_file_says_whether_it_is_good_or_bad() -> None:
    assert set(FOLDER.glob("*/*")) == {*examples("good"), *examples("bad")}
