"""The engine process: the stages of the pipeline and the delivery of follow-ups. It writes state.db and ledger.db."""

import asyncio
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from schemas.fast import Action
from services.automation.check import compile_rules
from services.configuration import load_config
from services.pipeline import STAGES, processors
from services.profile import fill
from services.runtime import archive, counted, dedup_window, frames, in_force, metrics, past, rebuild, waits
from services.runtime.backfill import Backfill
from services.runtime.clock import LogClock, begun
from services.runtime.disk import Trouble
from services.runtime.engine import Engine
from services.runtime.files import Files
from services.runtime.followups import ways_out
from services.runtime.followups.bounces import BouncedAddresses
from services.runtime.followups.delivery import Delivery
from services.runtime.followups.ledger import Ledger
from services.runtime.followups.renderer import Renderer
from services.runtime.mail_back.links import links_of
from services.runtime.orders import Orders
from services.runtime.profiles import ProfileReader
from services.runtime.settings import Settings
from services.runtime.sqlite_records import SqliteRecords
from services.runtime.sqlite_state import StateFile
from services.runtime.trimming import EVERY, Trimming

PAUSE = 0.02  # seconds until the next turn, after one that was not full: each is a commit, and collectors need the disk

_log = structlog.get_logger()


def serve(settings: Settings, ready: Callable[[Any], None]) -> None:
    """Run until SIGTERM."""
    asyncio.run(EngineProcess(settings).run(ready))


class PublishedActions:
    """The topic `actions` as delivery reads it, from the state file's committed frames."""

    def __init__(self, files: Files):
        self._db = frames.open_reader(files.state)
        self._incarnation = frames.incarnation(self._db)
        self._decode = msgspec.json.Decoder(Action).decode

    @property
    def incarnations(self) -> Sequence[str]:
        """That of the file."""
        return (self._incarnation,)

    def read(self, positions: Mapping[str, int], limit: int) -> tuple[Mapping[str, int], Sequence[Action]]:
        """What was published from there on, about `limit` actions at most."""
        found = frames.read(self._db, "actions", positions.get(self._incarnation, 0), limit)
        actions = [self._decode(line) for frame in found for line in frame.body.split(b"\n")]
        return ({self._incarnation: found[-1].offset + 1} if found else {}), actions


class EngineProcess:
    """Everything of the process, wired from the configuration."""

    def __init__(self, settings: Settings):
        self._settings, self._files = settings, Files(settings.data.resolve())
        self._config = load_config(settings.config)
        self._ledger = Ledger(self._files.ledger)
        self._log = frames.open_reader(self._files.log)
        began = begun(self._log)
        self._clock = LogClock(began)
        self._live = self._ledger.go_live({(r.workspace, r.name): r.fingerprint() for r in self._config.rules}, began)
        self._file = StateFile(self._files.state, STAGES)
        dedup_window.settle(self._file.db, settings.dedup_days)
        if gone := waits.give_up_unreadable(self._file.db):
            _log.error("waits kept by an earlier version cannot be read: these follow-ups are not made", keys=gone)
        self._trimming = Trimming(self._files, settings, self._clock)
        self._engine: Engine | None = None  # None: to be made, and to take up where the file stands
        self._trouble = Trouble("engine")
        self._next_trim = time.monotonic() + EVERY
        self._rebuilding = True  # until it is known that no rebuild was cut short

    async def run(self, ready: Callable[[Any], None]) -> None:
        """Turn after turn until SIGTERM; delivery beside it. A bug in either ends the process loudly; what the disk
        refuses now is tried again."""
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        delivery = asyncio.create_task(self._delivery().run(stop))
        ready(os.getpid())
        try:
            await self._turns(stop, delivery)
        finally:
            stop.set()
            await delivery
            self._file.close()
            self._ledger.close()

    async def _turns(self, stop: asyncio.Event, delivery: "asyncio.Task[None]") -> None:
        orders = Orders(self._log, self._file.db, self._ledger, self._clock, self._config.definitions)
        while not stop.is_set() and not delivery.done():
            try:
                done = await self._turn(orders)
            except sqlite3.OperationalError as error:
                self._file.rollback()
                self._engine, self._rebuilding = None, True
                await self._trouble.back_off(error, stop)
            else:
                self._trouble.over()
                await asyncio.sleep(0 if done >= self._settings.turn else PAUSE)

    async def _turn(self, orders: Orders) -> int:
        """One turn of the engine, with what is to be done between two. Returns what the engine's turn does."""
        if orders.obey(STAGES):
            self._engine, self._rebuilding = None, True
        engine = self._engine = self._engine or await self._load()
        done = await engine.turn()
        await self._backfill.step(engine)
        if self._rebuilding and not done and engine.watermark >= rebuild.restored_before(self._file.db):
            if rebuild.end(self._file.db, self._clock()):
                self._engine = None
            self._rebuilding = False
        metrics.LAG.labels("engine").set(frames.end(self._log, "touchpoints") - engine.watermark)
        if time.monotonic() > self._next_trim:
            self._next_trim = time.monotonic() + EVERY
            own = frames.incarnation(self._file.db)
            self._trimming.state_once(self._file.db, self._ledger.positions([own]).get(own, 0))
            self._trimming.ledger_once(self._ledger)
        return done

    async def _load(self) -> Engine:
        """The engine of the present generation."""
        generation = rebuild.generation(self._file.db)
        past.note(self._file.db, self._config, self._clock())
        past_until = rebuild.dealt_with(self._file.db)
        since = in_force.since(self._file.db, self._config.definitions.fingerprint, self._clock())
        settings = self._settings
        stages = processors(
            self._config, generation, self._live, settings.dedup_days, past_until, since, settings.events
        )
        archived = archive.Archive(self._settings, frames.incarnation(self._log))
        read = archive.read_all(self._log, archived)
        engine = Engine(
            self._file, stages, read, self._clock, self._settings.turn, self._settings.cache_records, metrics.spent,
            rebuild.restored_before(self._file.db),
        )  # fmt: skip
        await engine.load()
        counted.begin(self._file.db, fill.keys(self._config.definitions), engine.watermark)
        self._backfill = Backfill(
            self._settings, self._files, self._config.definitions, self._file.db, frames.incarnation(self._log),
            lambda: past.renew(self._file.db, self._config, self._clock()),
        )  # fmt: skip
        if not self._trouble.failures:
            _log.info("engine stands", generation=generation, watermark=engine.watermark)
        return engine

    def _delivery(self) -> Delivery:
        """Delivery with its ways out. Secrets of webhooks are environment variables named by the rules."""
        settings, config = self._settings, self._config
        records = SqliteRecords(self._files.state)
        people = ProfileReader(records, config.identity, config.definitions, self._clock)
        senders = ways_out.senders(settings, os.environ)
        return Delivery(
            self._ledger, PublishedActions(self._files), people.of, compile_rules(config.rules, os.environ), senders,
            Renderer(links_of(settings)), self._clock, random.SystemRandom().random, sending=config.sending,
            bounced=BouncedAddresses(records), paused=self._reads_again, account=people.account,
        )  # fmt: skip

    def _reads_again(self) -> bool:
        """Whether the people are being computed anew: until that is done, nobody consents and nobody is anywhere."""
        return self._engine is None or self._engine.watermark < rebuild.restored_before(self._file.db)
