"""Which file of the data folder holds a topic, and reading its messages from there."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from schemas import fast
from schemas.topics import TOPICS
from services.errors import RapportError
from services.runtime import frames, topics
from services.runtime.files import Files

CHUNK = 1_000  # messages that are read at a time


def file_of(topic: str, files: Files) -> Path:
    """The file that holds the topic. Raises RapportError, with the topics there are, when no file does."""
    found = TOPICS.get(topic)
    if found is None or not _kept(topic):
        why = "only passes through the engine's memory and is not kept" if found else "does not exist"
        kept = ", ".join(name for name in TOPICS if _kept(name))
        raise RapportError(f"the topic {topic!r} {why}; there are: {kept}")
    return topics.file_of(files, topic)


def _kept(topic: str) -> bool:
    """Embedded, what only the stages tell each other is handed on in memory."""
    from services.pipeline import STAGES  # every stage, which takes half a second that `rapport rejected` need not pay

    found = TOPICS[topic]
    return found.public or not set(STAGES).issuperset(found.consumers)


def bodies(reader: sqlite3.Connection, topic: str, start: int) -> Iterator[frames.StoredFrame]:
    """The frames that there are from an offset on, a few at a time."""
    while found := frames.read(reader, topic, start, CHUNK):
        yield from found
        start = found[-1].offset + 1


def messages(reader: sqlite3.Connection, topic: str) -> Iterator[Any]:
    """The messages that a topic holds, as its structs, oldest first."""
    decode = msgspec.json.Decoder(getattr(fast, TOPICS[topic].model.__name__)).decode
    for frame in bodies(reader, topic, frames.beginning(reader, topic)):
        yield from map(decode, frame.body.split(b"\n"))
