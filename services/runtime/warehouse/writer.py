"""Copies topics into the warehouse: insert, then move the watermark on.

The insert returns when the part is on disk (`fsync_after_insert`); then the watermarks move on, which are as lasting:
a SQLite file with synchronous=FULL, or a table beside the rows. A crash between the two, a power cut, or another worker
that has not noticed yet that the partition is no longer its own, makes the same positions come again, and tables
replace by position: each line is a row once, and none is missing.
"""

import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from services.errors import Retry
from services.runtime import metrics
from services.runtime.disk import Trouble, passes
from services.runtime.frames import StoredFrame
from services.runtime.warehouse import fit, rows
from services.runtime.warehouse.watermarks import Place, Watermark, Watermarks

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

BATCH = 10_000  # lines a read: larger batches are hardly cheaper a line, and take 200 MB more at their peak
BYTES = 16 * 1024 * 1024  # of lines a read: further partitions wait for the next
IDLE = 0.1  # seconds between two looks when there is nothing new
MEASURE = 5.0  # seconds between two looks at how far it is behind
PAUSE = 0.5  # seconds between two inserts: a part costs 30 to 50 ms whatever is in it, and must be merged later


class Source(Protocol):
    """The topics, as the warehouse reads them."""

    def incarnation(self, topic: str) -> str:
        """Which life of the topic this is: a re-created topic has another."""

    def partitions(self, topic: str) -> Sequence[int]:
        """Those that are ours to read now."""

    def span(self, topic: str) -> Mapping[int, tuple[int, int]]:
        """Of each partition the first offset that is still there, and the one that the next frame will get."""

    def read(self, topic: str, partition: int, start: int, limit: int) -> tuple[list[StoredFrame], int]:
        """The frames from offset `start` on, in order, until they hold about `limit` lines, one at least if there is
        one; and the offset to read next. None at the end."""


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
    """One thread's work."""

    def __init__(self, client: "Client", watermarks: Watermarks, source: Source):
        self._client, self._watermarks, self._source = client, watermarks, source
        self._marks: dict[Place, Watermark] = {}
        self.trouble = Trouble("warehouse")
        self._measured = 0.0
        self._turns = 0

    def take_up(self) -> None:
        """Look which partitions are ours now, and where those stand that are so newly. Raises RapportError when log
        and watermarks do not belong together."""
        ours = {Place(topic, partition) for topic in FEEDS for partition in self._source.partitions(topic)}
        self._marks = {place: mark for place, mark in self._marks.items() if place in ours}
        for place, mark in self._marks.items():
            fit.check_life(place, mark, self._source.incarnation(place.topic))
        if new := ours - set(self._marks):
            noted, found = self._watermarks.all(), dict[Place, Watermark]()
            for topic in {place.topic for place in new}:
                here, span = self._source.incarnation(topic), self._source.span(topic)
                for place in (one for one in new if one.topic == topic):
                    begin, end = span[place.partition]
                    found[place] = noted.get(place) or Watermark(here, begin)
                    fit.check(place, found[place], here, begin, end)
            self._marks |= found

    def run(self, stop: threading.Event) -> None:
        """Copy until `stop` is set; what cannot be inserted now is tried again. Bugs end it loudly."""
        from clickhouse_connect.driver.exceptions import ClickHouseError

        while not stop.is_set():
            started = time.monotonic()
            try:
                copied = self.turn()
            except (ClickHouseError, Retry, OSError, sqlite3.OperationalError) as error:
                if isinstance(error, sqlite3.OperationalError) and not passes(error):
                    raise
                stop.wait(self.trouble.met(error))
                continue
            self.trouble.over()
            if copied < BATCH:
                stop.wait(IDLE if not copied else max(0.0, PAUSE - (time.monotonic() - started)))

    def turn(self) -> int:
        """Copy at most one batch of every topic; returns how many lines these had."""
        self.take_up()
        self._turns += 1
        copied, marks = 0, dict[Place, Watermark]()
        for topic in FEEDS:
            lines, read = self._copy(topic)
            copied, marks = copied + lines, marks | read
        if marks:
            self._watermarks.advance(marks)
            self._marks |= marks
        if time.monotonic() - self._measured > MEASURE:
            self._measure()
        return copied

    def _copy(self, topic: str) -> tuple[int, dict[Place, Watermark]]:
        """Insert what comes next in our partitions of a topic, in one insert; it is on disk when this returns. How many
        lines these were, and the watermarks after them."""
        read, marks = self._read(topic)
        batch = rows.lines_of(read)
        if batch.lines:
            started = time.thread_time()
            incarnation, feed = next(iter(marks.values())).incarnation, FEEDS[topic]  # of the life that was read
            kept, extra = feed.shape(batch)
            if topic == "duplicates":  # verdicts about lines of another topic, which has a life of its own
                theirs = self._source.incarnation("touchpoints")
                extra = {"touchpoint_incarnation": rows.repeated(theirs, len(kept.lines))}
            self._client.insert_arrow(feed.table, rows.table(kept, incarnation, extra))
            metrics.spent("warehouse", len(batch.lines), time.thread_time() - started)
        return len(batch.lines), marks

    def _read(self, topic: str) -> tuple[dict[int, list[StoredFrame]], dict[Place, Watermark]]:
        """Frames by partition, up to a batch, and the watermarks after them. Each turn begins with another partition,
        so that none waits for ever behind full ones."""
        ours = sorted(place for place in self._marks if place.topic == topic)
        first = self._turns % len(ours) if ours else 0
        read: dict[int, list[StoredFrame]] = {}
        marks, lines, size = {}, 0, 0
        for place in ours[first:] + ours[:first]:
            if lines >= BATCH or size >= BYTES:
                break
            mark = self._marks[place]
            frames, following = self._source.read(topic, place.partition, mark.offset, BATCH - lines)
            if following > mark.offset:
                read[place.partition], marks[place] = frames, mark._replace(offset=following)
            lines += sum(frame.count for frame in frames)
            size += sum(len(frame.body) for frame in frames)
        return read, marks

    def _measure(self) -> None:
        """How far we are behind, by topic."""
        self._measured = time.monotonic()
        for topic in FEEDS:
            span = self._source.span(topic)
            ours = {place.partition: mark.offset for place, mark in self._marks.items() if place.topic == topic}
            behind = sum(max(0, span[partition][1] - offset) for partition, offset in ours.items())
            metrics.WAREHOUSE_LAG.labels(topic).set(behind)
            if topic == "touchpoints":
                metrics.LAG.labels("warehouse").set(behind)
