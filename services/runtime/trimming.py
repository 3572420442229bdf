"""The log is bounded: frames leave it when every reader has them and they are old enough."""

import asyncio
import sqlite3
from collections.abc import Callable

import structlog

from schemas.topics import TOPICS
from services.runtime import frames, metrics
from services.runtime.files import Files
from services.runtime.followups.ledger import Ledger
from services.runtime.journal import Journal
from services.runtime.settings import Settings

EVERY = 60.0  # seconds
HOUR = 3_600_000
AWAY = 72  # hours for which a compacted topic keeps every change: who comes back after a weekend reads on

_log = structlog.get_logger()


class Trimming:
    """Trims the topics of one process. Each file is trimmed by the process that writes it."""

    def __init__(self, files: Files, settings: Settings, clock: Callable[[], int], every: float = EVERY):
        self._files, self._hours, self._clock, self._every = files, settings.log_hours, clock, every

    async def run_log(self, journal: Journal) -> None:
        """Trim the collectors' log for ever. What cannot be trimmed now waits for the next round."""
        while True:
            await asyncio.sleep(self._every)
            try:
                self.log_once(journal)
            except sqlite3.Error as error:
                _log.error("the log could not be trimmed, and is tried again", again_in=self._every, reason=str(error))

    def log_once(self, journal: Journal) -> None:
        """Trim `touchpoints` and `rejected` up to what the engine and the warehouse have."""
        archived = self.archived()
        read = {"touchpoints": self._folded(), "rejected": archived.get("rejected", 0)}
        for topic, before in read.items():
            self._count(topic, journal.trim(topic, min(before, archived.get(topic, 0)), self._before(topic)))

    def state_once(self, db: sqlite3.Connection, taken: int) -> None:
        """Trim what the engine published, up to what the warehouse has and delivery has `taken` of the actions."""
        archived = self.archived()
        for topic, before in archived.items():
            if "collectors" not in TOPICS[topic].producers and "delivery" not in TOPICS[topic].producers:
                before = min(before, taken) if topic == "actions" else before
                self._count(topic, frames.trim(db, topic, before, self._before(topic)))

    def ledger_once(self, ledger: Ledger) -> None:
        """Trim what delivery told, up to what the warehouse has. The ledger's rows stay for ever."""
        before = self.archived().get("deliveries", 0)
        self._count("deliveries", ledger.trim(before, self._before("deliveries")))

    def archived(self) -> dict[str, int]:
        """Per topic, the offset that the warehouse reads next."""
        try:
            reader = frames.open_reader(self._files.warehouse)
        except sqlite3.OperationalError:
            return {}
        try:
            return dict(reader.execute("SELECT topic, offset FROM watermarks"))
        finally:
            reader.close()

    def _folded(self) -> int:
        reader = frames.open_reader(self._files.state)
        try:
            row = reader.execute(
                "SELECT offset FROM watermarks WHERE stage = 'fold' AND topic = 'touchpoints'"
            ).fetchone()
            return int(row[0]) if row else 0
        finally:
            reader.close()

    def _before(self, topic: str) -> int:
        """Frames that came before this instant (epoch ms) are old enough. The state has the last message of every key
        of a compacted topic, so its frames stay only for readers of the stream who were away."""
        hours = self._hours if TOPICS[topic].retention is not None else min(self._hours, AWAY)
        return self._clock() - hours * HOUR

    def _count(self, topic: str, trimmed: int) -> None:
        metrics.TRIMMED.labels(topic).inc(trimmed)
