"""Reading a public topic of one workspace, page after page: the snapshot where there is one, then the frames.

Every call is one short transaction on the engine's file, so a reader may be as slow as it likes between two of them.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from schemas import fast
from schemas.topics import Topic
from services.errors import RapportError
from services.runtime import frames
from services.runtime.streams import position
from services.runtime.streams.documents import Documents, one_instant
from services.runtime.streams.position import Place

LINES = 500  # messages of one page, and up to a frame more


class Gone(RapportError):
    """The position is none of this stream as it is now, so nobody can say what the reader has missed."""


class Page(NamedTuple):
    """Lines for the reader, where to go on, and where the topic ended when the page was read."""

    lines: list[bytes]
    place: Place
    end: int


class StreamReader:
    """Reads one topic in one workspace. It keeps nothing: connections and places are handed in."""

    def __init__(self, topic: Topic, workspace: str, documents: Documents | None):
        self.topic, self._workspace, self._documents = topic, workspace, documents
        routed = msgspec.defstruct("Routed", [("workspace", str), (topic.key, str)])
        self._routed: Any = msgspec.json.Decoder(routed).decode

    def start(self, db: sqlite3.Connection, wanted: str) -> Place:
        """The place of `wanted`: "beginning", "now", or a position. Raises ValueError for what is none of them, Gone
        for a position from which reading cannot go on."""
        topic = self.topic.name
        with one_instant(db):
            if wanted == "now" or (wanted == "beginning" and self._documents is not None):
                after = "" if wanted == "beginning" else None
                return Place(frames.end(db, topic), 0, frames.newest(db, topic), after)
            if wanted == "beginning":
                return Place(frames.beginning(db, topic))
            name, place = position.read(wanted)
            if name != self._name(db):
                raise Gone("the position belongs to another stream, or to an earlier life of this platform")
            self._hold(db, place)
            return place

    def position(self, db: sqlite3.Connection, place: Place) -> str:
        """The place as a position of this stream."""
        return position.text(self._name(db), place)

    def page(self, db: sqlite3.Connection, place: Place) -> Page:
        """What comes next. Raises Gone when it has left the log in the meantime."""
        with one_instant(db):
            self._hold(db, place)
            name = self._name(db)
            if place.after is not None and self._documents is not None:
                page = self._documents.page(db, self._workspace, place.after)
                lines = [_line(position.text(name, place._replace(after=k)), k, v) for k, v in page.documents]
                return Page(lines, place._replace(after=page.after), place.offset)
            found, end = frames.read(db, self.topic.name, place.offset, LINES), frames.end(db, self.topic.name)
        lines = []
        for frame in found:
            lines += self._lines(name, frame, place.line)
            place = Place(frame.offset + 1, 0, frame.at)
        return Page(lines, place, end)

    def _hold(self, db: sqlite3.Connection, place: Place) -> None:
        """Raise Gone unless all that was published from this place on is still there."""
        topic = self.topic.name
        if place.offset < frames.beginning(db, topic):
            raise Gone("what followed this position has left the log: the reader was away for too long")
        before = place.offset if place.line else place.offset - 1
        row = db.execute("SELECT at FROM frames WHERE topic = ? AND offset = ?", (topic, before)).fetchone()
        if place.offset > frames.end(db, topic) or (place.at >= 0 and row is not None and row[0] != place.at):
            raise Gone("the log was set back to an earlier copy, from before this position")

    def _lines(self, name: str, frame: frames.StoredFrame, skipped: int) -> Iterator[bytes]:
        """The frame's messages of this workspace. The last line's position is before the next frame, so that it stays
        good when this frame leaves the log."""
        for index, value in enumerate(frame.body.split(b"\n")):
            routed = self._routed(value)
            if index >= skipped and routed.workspace == self._workspace:
                after = (frame.offset, index + 1) if index + 1 < frame.count else (frame.offset + 1, 0)
                yield _line(position.text(name, Place(*after, frame.at)), getattr(routed, self.topic.key), value)

    def _name(self, db: sqlite3.Connection) -> str:
        return position.stream(self.topic.name, self._workspace, frames.incarnation(db))


def _line(place: str, key: str, value: bytes) -> bytes:
    """A record as a Kafka client would see it; the value is what was published, byte for byte."""
    return b'{"position":"%b","key":%b,"value":%b}\n' % (place.encode(), fast.dumps(key), value)
