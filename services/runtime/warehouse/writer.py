"""Copies topics into the warehouse: insert, then move the watermark on.

The insert returns when the part is on disk (`fsync_after_insert`); then the watermarks of all topics move on in one
transaction of a SQLite file with synchronous=FULL. A crash between the two, or a power cut, makes the same positions
come again, and tables replace by position: each line is a row once, and none is missing.
"""

import sqlite3
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from services.errors import RapportError
from services.runtime import metrics
from services.runtime.disk import Trouble, passes
from services.runtime.frames import StoredFrame
from services.runtime.warehouse import rows
from services.runtime.warehouse.watermarks import Watermark, Watermarks

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

BATCH = 10_000  # lines a read: larger batches are hardly cheaper a line, and take 200 MB more at their peak
IDLE = 0.1  # seconds between two looks when there is nothing new
PAUSE = 0.5  # seconds between two inserts: a part costs 30 to 50 ms whatever is in it, and must be merged later


class Source(Protocol):
    """The topics, as the warehouse reads them: one partition each."""

    def incarnation(self, topic: str) -> str:
        """Which life of the topic this is: a re-created topic has another."""

    def end(self, topic: str) -> int:
        """The offset that the next frame of the topic will get."""

    def read(self, topic: str, start: int, limit: int) -> list[StoredFrame]:
        """The frames from offset `start` on, in order, until they hold about `limit` lines; one at least if there is
        one. Empty at the end."""


class Feed(NamedTuple):
    """Where a topic goes, and what makes rows of its lines."""

    table: str
    shape: rows.Shape


FEEDS = {
    "touchpoints": Feed("touchpoint_log", rows.touchpoints),
    "duplicates": Feed("duplicate_log", rows.as_they_are),
    "membership": Feed("identity_log", rows.membership),
    "identity-changes": Feed("identity_change_log", rows.as_they_are),
    "profiles": Feed("profile_log", rows.profiles),
    "accounts": Feed("account_log", rows.profiles),
    "audience-changes": Feed("audience_change_log", rows.as_they_are),
    "actions": Feed("action_log", rows.as_they_are),
    "deliveries": Feed("delivery_log", rows.as_they_are),
    "rejected": Feed("rejected_log", rows.as_they_are),
}
"""Every topic that the warehouse consumes (schemas/topics.py; a test holds the two equal)."""


class Writer:
    """One thread's work. `warehouse` is the name that the migrations returned."""

    def __init__(self, client: "Client", watermarks: Watermarks, source: Source, warehouse: str):
        """Look whether log, watermarks and warehouse belong together. Raises RapportError when they do not."""
        self._client, self._watermarks, self._source = client, watermarks, source
        self._marks = watermarks.all()
        if watermarks.warehouse() not in (None, warehouse):
            raise RapportError(
                "clickhouse/ is not the warehouse that warehouse.db belongs to. Put the old clickhouse/ back, or delete"
                " warehouse.db to fill this one with what the log still holds"
            )
        watermarks.belong_to(warehouse)
        for topic, mark in self._marks.items():
            self._check(topic, mark)

    def _check(self, topic: str, mark: Watermark) -> None:
        """The log that the watermark belongs to, as long as it was or longer."""
        here, end = self._source.incarnation(topic), self._source.end(topic)
        if mark.incarnation != here:
            raise RapportError(
                f"the topic {topic} was made anew (it was {mark.incarnation}, now it is {here}), but the warehouse"
                " holds rows of the old one. Put the old log back, or restore into an empty data folder"
            )
        if mark.offset > end:
            raise RapportError(
                f"the topic {topic} ends at offset {end}, but the warehouse has read up to {mark.offset}: the log is an"
                " older copy. Put the newer one back, or start with an empty data folder and `rapport restore`"
            )

    def run(self, stop: threading.Event) -> None:
        """Copy until `stop` is set; what cannot be inserted now is tried again. Bugs end it loudly."""
        from clickhouse_connect.driver.exceptions import ClickHouseError

        trouble = Trouble("warehouse")
        while not stop.is_set():
            started = time.monotonic()
            try:
                copied = self.turn()
            except (ClickHouseError, OSError, sqlite3.OperationalError) as error:
                if isinstance(error, sqlite3.OperationalError) and not passes(error):
                    raise
                stop.wait(trouble.met(error))
                continue
            trouble.over()
            if copied < BATCH:
                stop.wait(IDLE if not copied else max(0.0, PAUSE - (time.monotonic() - started)))

    def turn(self) -> int:
        """Copy at most one batch of every topic; returns how many lines these had."""
        copied, marks = 0, {}
        for topic in FEEDS:
            mark = self._marks.get(topic) or Watermark(self._source.incarnation(topic), 0)
            if frames := self._source.read(topic, mark.offset, BATCH):
                copied += self._copy(topic, mark.incarnation, frames)
                marks[topic] = Watermark(mark.incarnation, frames[-1].offset + 1)
        if marks:
            self._watermarks.advance(marks)
            self._marks |= marks
        if "touchpoints" in self._marks:
            metrics.LAG.labels("warehouse").set(self._source.end("touchpoints") - self._marks["touchpoints"].offset)
        return copied

    def _copy(self, topic: str, incarnation: str, frames: list[StoredFrame]) -> int:
        """Insert the frames' lines; they are on disk when this returns."""
        started = time.thread_time()
        feed, batch = FEEDS[topic], rows.lines_of(frames)
        kept, extra = feed.shape(batch)
        if topic == "duplicates":  # verdicts about lines of another topic, which has a life of its own
            extra = {"touchpoint_incarnation": rows.repeated(self._source.incarnation("touchpoints"), len(kept.lines))}
        self._client.insert_arrow(feed.table, rows.table(kept, incarnation, extra))
        metrics.spent("warehouse", len(batch.lines), time.thread_time() - started)
        return len(batch.lines)
