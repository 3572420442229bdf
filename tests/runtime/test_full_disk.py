"""A disk that is full for a while: every part waits, says so once, and goes on by itself when there is room."""

import asyncio
import errno
import os
import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from prometheus_client import REGISTRY

from schemas import fast
from services.errors import RapportError
from services.pipeline import STAGES
from services.runtime import disk, frames, metrics, standing
from services.runtime.engine_process import EngineProcess
from services.runtime.files import Files
from services.runtime.followups.ledger import Ledger
from services.runtime.journal import Journal
from services.runtime.settings import Settings
from services.runtime.sqlite_state import StateFile
from services.runtime.trimming import Trimming
from services.runtime.warehouse.watermarks import Place, Watermark, WatermarkFile
from services.runtime.warehouse.writer import Writer
from tests.automation.causes import calling, cause, rule
from tests.runtime.delivering import World, a_world, every, settled
from tests.warehouse.warehouse_lines import touchpoint

ROOM = 1_000_000  # pages
LINES = 400


def full(db: sqlite3.Connection) -> None:
    """From here on there is no room for another page."""
    db.execute("PRAGMA max_page_count=1")


def room(db: sqlite3.Connection) -> None:
    """Somebody made room."""
    db.execute(f"PRAGMA max_page_count={ROOM}")


def fails(part: str) -> bool:
    """What the metric says, which /readyz reads."""
    return bool(REGISTRY.get_sample_value("rapport_failing", {"part": part}))


async def until(look: Any) -> None:
    """Wait until there is something."""
    async with asyncio.timeout(20):
        while not look():
            await asyncio.sleep(0.005)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration folder with one source and no rules."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "sources.yaml").write_text("sources: [{name: shop, write_key: key, channel: web}]")
    return folder


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A data folder as `rapport up` prepares it, with touchpoints on the log."""
    files = Files(tmp_path)
    log = frames.open_file(files.log)
    for n in range(0, LINES, 20):
        frames.append(log, "touchpoints", n // 20, 0, [touchpoint(i) for i in range(n, n + 20)])
    frames.open_file(files.ledger).close()
    StateFile(files.state, STAGES).close()
    log.close()
    return files


def counted(files: Files) -> int:
    """How many touchpoints the people have, by the newest profile of each."""
    newest: dict[str, fast.Profile] = {}
    for frame in frames.read(frames.open_reader(files.state), "profiles", 0, 10**6):
        for line in frame.body.split(b"\n"):
            found = msgspec.json.decode(line, type=fast.Profile)
            newest[found.profile_id] = found
    return sum(profile.touchpoints for profile in newest.values())


def test_the_engine_waits_while_the_state_cannot_be_written_and_then_counts_everything_once(
    files: Files, config: Path
) -> None:
    async def story() -> None:
        process = EngineProcess(Settings(data=files.folder, config=config, turn=100))
        full(process._file.db)
        stop, delivery = asyncio.Event(), asyncio.get_running_loop().create_future()
        turns = asyncio.create_task(process._turns(stop, cast(Any, delivery)))
        await until(lambda: process._trouble.failures > 1 or turns.done())
        assert not turns.done() and fails("engine") and standing.folded(files) < LINES // 20
        room(process._file.db)
        await until(lambda: standing.folded(files) == LINES // 20)
        await until(lambda: not fails("engine"))
        stop.set()
        await turns

    asyncio.run(story())
    assert counted(files) == LINES


def test_an_error_of_the_engine_that_does_not_pass_ends_it(files: Files, config: Path) -> None:
    async def story() -> None:
        process = EngineProcess(Settings(data=files.folder, config=config))
        process._file.db.execute("DROP TABLE records_fold")
        await process._turns(asyncio.Event(), cast(Any, asyncio.get_running_loop().create_future()))

    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        asyncio.run(story())


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[World, asyncio.Runner]]:
    with a_world() as made:
        yield made


class LocksTheLedger:
    """A sender that really sends; while it does, somebody else takes hold of the ledger's file."""

    def __init__(self, real: Any, other: sqlite3.Connection):
        self._real, self._other = real, other

    async def send(self, made: Any) -> Any:
        self._other.execute("BEGIN IMMEDIATE")
        return await self._real.send(made)

    async def close(self) -> None:
        await self._real.close()


def test_what_was_sent_while_the_ledger_could_not_be_written_is_noted_later_and_not_sent_again(
    shared: tuple[World, asyncio.Runner], tmp_path: Path
) -> None:
    world, runner = shared
    world.reset()
    world.rules = [rule(then=[calling(world.url())])]
    world.decide(cause())
    ledger, other = Ledger(tmp_path / "ledger.db"), frames.open_file(tmp_path / "ledger.db")
    ledger._db.execute("PRAGMA busy_timeout=0")

    async def story() -> None:
        senders = {kind: LocksTheLedger(real, other) for kind, real in world.senders().items()}
        running = asyncio.create_task(settled(world.delivery(ledger, cast(Any, senders)), ledger, world))
        await until(lambda: fails("delivery") or running.done())
        assert not running.done() and [send.status for send in every(ledger)] == ["attempting"]
        other.execute("ROLLBACK")
        async with asyncio.timeout(20):
            await running

    runner.run(story())
    assert [send.status for send in every(ledger)] == ["sent"]
    assert len(world.web.calls) == 1 and not fails("delivery")


class OneFrame:
    """Topics of which `touchpoints` has one frame."""

    def incarnation(self, topic: str) -> str:
        return "this"

    def partitions(self, topic: str) -> list[int]:
        return [0]

    def span(self, topic: str) -> dict[int, tuple[int, int]]:
        return {0: (0, int(topic == "touchpoints"))}

    def read(self, topic: str, partition: int, start: int, limit: int) -> tuple[list[frames.StoredFrame], int]:
        there = topic == "touchpoints" and start == 0
        return ([frames.StoredFrame(0, 1, 0, touchpoint(0))], 1) if there else ([], start)


class Warehouse:
    """Refuses what is inserted with these errors, one after the other; then takes one insert and stops the writer."""

    def __init__(self, *errors: Exception):
        self.errors, self.inserted, self.stop = list(errors), 0, threading.Event()

    def insert_arrow(self, table: str, rows: Any) -> None:
        assert not self.inserted
        if self.errors:
            raise self.errors.pop(0)
        self.inserted += rows.num_rows
        self.stop.set()


def test_the_warehouse_writer_tries_again_when_the_disk_is_full_and_moves_on_only_then(tmp_path: Path) -> None:
    warehouse, watermarks = (
        Warehouse(OSError(errno.ENOSPC, "No space left on device")),
        WatermarkFile(tmp_path / "w.db"),
    )
    Writer(cast(Any, warehouse), watermarks, OneFrame()).run(warehouse.stop)
    assert warehouse.inserted == 1 and watermarks.all() == {Place("touchpoints"): Watermark("this", 1)}
    assert not fails("warehouse")


def test_watermarks_that_cannot_be_written_leave_no_transaction_open(tmp_path: Path) -> None:
    watermarks = WatermarkFile(tmp_path / "warehouse.db")
    with pytest.raises(sqlite3.IntegrityError):
        watermarks.advance({Place("touchpoints"): Watermark(cast(Any, None), 1)})
    watermarks.advance({Place("touchpoints"): Watermark("this", 1)})
    assert watermarks.all() == {Place("touchpoints"): Watermark("this", 1)}


def test_a_log_that_cannot_be_trimmed_now_is_trimmed_at_a_later_round(files: Files) -> None:
    async def story() -> None:
        now = 10**15
        state, archived, log = (
            StateFile(files.state, STAGES).db,
            WatermarkFile(files.warehouse),
            frames.open_file(files.log),
        )
        state.execute("INSERT INTO watermarks VALUES ('fold', 'touchpoints', 7)")
        archived.advance({Place("touchpoints"): Watermark("this", 9)})
        log.execute("CREATE TRIGGER kept BEFORE DELETE ON frames BEGIN SELECT RAISE(ABORT, 'not now'); END")
        journal = Journal(files.log, lambda: now)
        rounds = asyncio.create_task(Trimming(files, Settings(), lambda: now, every=0.01).run_log(journal))
        await asyncio.sleep(0.1)
        await journal.append([touchpoint(LINES)], [])
        assert not rounds.done() and frames.beginning(log, "touchpoints") == 0
        log.execute("DROP TRIGGER kept")
        await until(lambda: rounds.done() or frames.beginning(log, "touchpoints") == 7)
        assert not rounds.done()
        rounds.cancel()

    asyncio.run(story())


def test_up_on_a_disk_that_takes_no_more_says_so_in_a_sentence(tmp_path: Path, config: Path) -> None:
    command = [sys.executable, "-m", "services", "up", "--port", "0", "--clickhouse-port", "0"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path / "data"), "--config", str(config)], capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)), timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "cannot be used now" in done.stderr and "make room" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("error", "told"),
    [(OSError(errno.ENOSPC, "full"), RapportError), (OSError(errno.EACCES, "not yours"), PermissionError)],
)
def test_only_what_the_disk_refuses_is_explained(tmp_path: Path, error: OSError, told: type[Exception]) -> None:
    with pytest.raises(told), disk.explained(tmp_path):
        raise error


def test_the_files_of_the_metrics_have_their_room_before_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(metrics.SHARED, str(tmp_path))
    metrics.reserve()
    written = [path.stat() for path in tmp_path.glob(f"*_{os.getpid()}.db")]
    assert written and all(found.st_blocks * 512 >= found.st_size == metrics.ROOM for found in written)
