"""The AsyncAPI 3.0 document: every topic as a channel, public ones with their messages, keys, promises and examples.

It is one file that stands by itself, for whatever reads AsyncAPI. Internal topics are named, so that nobody wonders
what they are, and marked; they change with any version and are nobody else's to read.
"""

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from schemas import wire
from schemas.topics import TOPICS, Topic

HOUR = 3_600_000  # ms
_FOLDER = Path(__file__).parent
_EXAMPLES = _FOLDER / "examples"
_COMPACTED = (
    "Compacted: the newest document of every key stays. `version` only grows: keep the highest of each key; an older or"
    " equal one changes nothing. A record without a value (a tombstone) says that nothing is left under the key at all."
)
_KEPT = "What comes twice, after a crash, comes as it came before."
_ABOUT = {
    "identity-changes": f"Profiles became one, or one became two. {_KEPT}",
    "profiles": f"The newest document of every person. After a merge `redirect` says who the id is now. {_COMPACTED}",
    "accounts": f"The newest document of every account. {_COMPACTED}",
    "audience-changes": f"Who entered or exited which audience, when, and because of what. {_KEPT}",
    "events": "What customers did, with who they were at that moment. Only with RAPPORT_EVENTS=true. One may come"
    " twice, after a crash or a rebuild: (workspace, anchor, message_id) names it.",
    "actions": "The follow-ups that rules have decided, also those that are held. One may come twice: `key` names it.",
}
_DESCRIPTION = (
    "What Rapport publishes on Kafka, for other systems. One message is one JSON object in UTF-8. The messages of a key"
    " are on one partition, in the order in which they came about. They are written in transactions: read with"
    " isolation.level=read_committed. Fields may be added with any version; ignore those that you do not know."
)


def document() -> str:
    """The text of schemas/asyncapi.json."""
    public = [topic for topic in TOPICS.values() if topic.public]
    found = {
        "asyncapi": "3.0.0",
        "id": "urn:rapport:topics",
        "info": {"title": "Rapport: public topics", "version": "1", "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{brokers}",
                "protocol": "kafka",
                "description": "The brokers of the installation (RAPPORT_KAFKA).",
                "variables": {"brokers": {"default": "127.0.0.1:9092"}},
            }
        },
        "channels": {topic.name: _channel(topic) for topic in TOPICS.values()},
        "operations": {f"publish-{topic.name}": _operation(topic) for topic in public},
        "components": {
            "messages": {topic.name: _message(topic) for topic in public},
            "schemas": _schemas({topic.model for topic in public}),
            "tags": {name: {"name": name} for name in ("public", "internal")},
        },
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}


def _channel(topic: Topic) -> dict[str, Any]:
    """`partitions` are those of an installation that leaves RAPPORT_PARTITIONS as it is."""
    kept = {"cleanup.policy": ["compact"]} if topic.retention is None else {
        "cleanup.policy": ["delete"], "retention.ms": topic.retention * HOUR
    }  # fmt: skip
    readers = ", ".join(topic.consumers)
    return {
        "address": topic.name,
        "title": topic.name,
        "description": _ABOUT[topic.name] if topic.public else f"Internal: {', '.join(topic.producers)} to {readers}.",
        "messages": {topic.name: _ref("components", "messages", topic.name)} if topic.public else {},
        "tags": [_ref("components", "tags", "public" if topic.public else "internal")],
        "bindings": {
            "kafka": {"partitions": topic.partitions, "topicConfiguration": kept, "bindingVersion": "0.5.0"},
        },
        **({} if topic.public else {"x-internal": True}),
    }


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": _ref("channels", topic.name),
        "summary": f"Rapport publishes {topic.name}.",
        "messages": [_ref("channels", topic.name, "messages", topic.name)],
    }


def _message(topic: Topic) -> dict[str, Any]:
    model = topic.model
    return {
        "name": model.__name__,
        "title": topic.name,
        "description": (model.__doc__ or "").replace("\n    ", "\n").strip(),
        "payload": _ref("components", "schemas", model.__name__),
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": f"The message's {topic.key}.", "pattern": r"^p[0-9a-f]{32}$"},
                "bindingVersion": "0.5.0",
            }
        },
        "examples": [
            {"name": path.stem.removeprefix("good-"), "payload": json.loads(path.read_text(encoding="utf-8"))}
            for path in sorted((_EXAMPLES / topic.name).glob("good-*.json"))
        ],
    }


def _schemas(models: set[type[wire.Message]]) -> dict[str, Any]:
    """The payloads, and what is inside them, each once. Readers let fields pass that they do not know; we do not."""
    ordered = sorted(models, key=lambda model: model.__name__)
    wanted = [(model, "validation") for model in ordered]
    _, found = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: dict[str, Any] = found["$defs"]
    for schema in schemas.values():
        del schema["additionalProperties"]
    return dict(sorted(schemas.items()))
