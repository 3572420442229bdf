"""schemas/asyncapi.json is what the topics say, is AsyncAPI 3.0, and every example is a message of its schema."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from schemas import asyncapi
from schemas.generate import ASYNCAPI
from schemas.topics import TOPICS

STANDARD = Path(__file__).parent / "asyncapi-3.0.0" / "schema.json.gz"
PUBLIC = sorted(name for name, topic in TOPICS.items() if topic.public)
BAD: list[tuple[list[str], Any]] = [
    (["channels", "profiles", "bindings", "kafka", "partitions"], 0),
    (["channels", "profiles", "bindings", "kafka", "topicConfiguration", "cleanup.policy"], ["compacted"]),
    (["operations", "publish-profiles", "action"], "publish"),
    (["components", "schemas", "Profile", "type"], "objekt"),
    (["info", "title"], None),
    (["servers", "kafka", "protocol"], None),
]


@cache
def text() -> str:
    return ASYNCAPI.read_text(encoding="utf-8")


@cache
def standard() -> Any:
    return jsonschema_rs.validator_for(json.loads(gzip.decompress(STANDARD.read_bytes())))


def found_at(document: Any, reference: str) -> Any:
    """What a local reference leads to."""
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        here = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return here.union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()


def test_the_generated_document_is_up_to_date() -> None:
    assert text() == asyncapi.document(), "run `make schemas`"


def test_it_is_asyncapi() -> None:
    assert [error.message for error in standard().iter_errors(json.loads(text()))] == []


@pytest.mark.parametrize(("path", "value"), BAD, ids=lambda it: it[-1] if isinstance(it, list) else "")
def test_what_is_not_would_be_noticed(path: list[str], value: Any) -> None:
    document = json.loads(text())
    found_at(document, "/".join(path[:-1]))[path[-1]] = value
    assert not standard().is_valid(document)


def test_every_reference_leads_somewhere() -> None:
    document = json.loads(text())
    assert len(references(document)) > len(PUBLIC)
    for reference in references(document):
        assert found_at(document, reference)


def test_public_topics_are_described_and_internal_ones_are_marked() -> None:
    document = json.loads(text())
    assert document["channels"].keys() == TOPICS.keys()
    for name, channel in document["channels"].items():
        assert channel.get("x-internal", False) == (name not in PUBLIC)
        assert bool(channel["messages"]) == (name in PUBLIC)
        compacted = channel["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] == ["compact"]
        assert compacted == (TOPICS[name].retention is None)
    assert {one["channel"]["$ref"] for one in document["operations"].values()} == {f"#/channels/{it}" for it in PUBLIC}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_example_is_a_message_of_its_schema_under_its_key(name: str) -> None:
    document = json.loads(text())
    message = document["components"]["messages"][name]
    schema = {**message["payload"], "components": document["components"]}
    key = jsonschema_rs.validator_for(message["bindings"]["kafka"]["key"])
    assert message["examples"]
    for example in message["examples"]:
        assert jsonschema_rs.is_valid(schema, example["payload"])
        assert not jsonschema_rs.is_valid(schema, example["payload"] | {"workspace": 1})
        assert key.is_valid(example["payload"][TOPICS[name].key])
