"""One call as Segment's wire writes it, checked as far as a client can."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from rapport_sdk.defaults import Defaults
from rapport_sdk.jsontext import dumps
from rapport_sdk.version import VERSION

EVENT_BYTES = 32 * 1024
NAME_LENGTH = 1_024
MESSAGE_ID_LENGTH = 256
LIBRARY = {"name": "rapport-sdk", "version": VERSION}
_NAMING = ("traits", "properties")  # where a source may look for identifiers, too


def made(
    kind: str, about: Defaults, timestamp: datetime | None, message_id: str | None, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """The event. `fields` are what only this kind of call has; what is None there is left out."""
    event: dict[str, Any] = {
        "type": kind,
        "messageId": str(uuid4()) if message_id is None else _message_id(message_id),
        "timestamp": iso(datetime.now(timezone.utc) if timestamp is None else timestamp),
    }
    if about.user_id is not None:
        event["userId"] = about.user_id
    if about.anonymous_id is not None:
        event["anonymousId"] = about.anonymous_id
    for name, value in fields.items():
        if value is not None:
            event[name] = value
    event["context"] = {"library": LIBRARY, **about.context}
    if "userId" not in event and "anonymousId" not in event and not _may_name(event, about):
        raise ValueError(f"{kind}() says of nobody: give user_id or anonymous_id, here or by client.context()")
    return event


def line(event: Mapping[str, Any]) -> bytes:
    """The event as the platform takes it: JSON of at most 32 KB."""
    text = dumps(event)
    if len(text) > EVENT_BYTES:
        raise ValueError(f"the event has {len(text)} bytes as JSON: the platform takes at most {EVENT_BYTES}")
    return text


def iso(moment: datetime) -> str:
    """The moment in UTC, to the millisecond. Raises ValueError when it has no time zone, for then nobody knows it."""
    if not isinstance(moment, datetime):
        raise TypeError(f"timestamp is {type(moment).__name__} {moment!r:.80}: it must be a datetime")
    if moment.utcoffset() is None:
        raise ValueError(f"timestamp {moment} has no time zone: write datetime.now(timezone.utc), or use astimezone()")
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")[:-6] + "Z"


def name(argument: str, value: str | None, required: bool = False) -> str | None:
    """A name of something. Raises TypeError or ValueError."""
    if value is None and not required:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{argument} is {type(value).__name__} {value!r:.80}: it must be text")
    if len(value) > NAME_LENGTH or (required and not value):
        raise ValueError(f"{argument} has {len(value)} characters: it must have {int(required)} to {NAME_LENGTH}")
    return value


def mapping(argument: str, value: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """An object of the wire. Raises TypeError."""
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{argument} is {type(value).__name__} {value!r:.80}: it must be a mapping, such as a dict")
    return value


def _message_id(value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"message_id is {type(value).__name__} {value!r:.80}: it must be text")
    if not 0 < len(value) <= MESSAGE_ID_LENGTH:
        raise ValueError(f"message_id has {len(value)} characters: it must have 1 to {MESSAGE_ID_LENGTH}")
    return value


def _may_name(event: Mapping[str, Any], about: Defaults) -> bool:
    """Whether anything in the event could hold an identifier, by the rules of some source."""
    return bool(about.context) or any(event.get(name) for name in _NAMING)
