"""The embedded log: what is appended is read back in order, counted for ever, and trimmed only as a prefix."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import Retry
from services.runtime import frames
from services.runtime.journal import Journal


def test_concurrent_requests_share_a_commit_and_each_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    async def story() -> None:
        journal = Journal(tmp_path / "log.db", clock=lambda: 1_000)
        reader = frames.open_reader(tmp_path / "log.db")

        async def request(n: int) -> None:
            await journal.append([b'{"n":%d}' % n], [b'{"bad":%d}' % n] if n % 2 else [])
            lines = b"\n".join(f.body for f in frames.read(reader, "touchpoints", 0, 10**6)).split(b"\n")
            assert b'{"n":%d}' % n in lines

        await asyncio.gather(*(request(n) for n in range(100)))
        assert frames.total(reader, "touchpoints") == 100
        assert frames.total(reader, "rejected") == 50
        assert len(frames.read(reader, "touchpoints", 0, 10**6)) == 1
        await request(100)
        assert frames.end(reader, "touchpoints") == 2

    asyncio.run(story())


def test_a_disk_that_fails_is_a_retry_for_every_waiting_request_and_nothing_is_half_written(tmp_path: Path) -> None:
    async def story() -> None:
        journal = Journal(tmp_path / "log.db", clock=lambda: 1_000)
        await journal.append([b"1"], [])
        journal._db.execute("PRAGMA max_page_count=1")  # the disk is full
        big = b"x" * 5_000_000
        results = await asyncio.gather(*(journal.append([big], [b"r"]) for _ in range(3)), return_exceptions=True)
        assert [type(r) for r in results] == [Retry] * 3
        journal._db.execute("PRAGMA max_page_count=1000000")
        await journal.append([b"2"], [])
        found = frames.read(frames.open_reader(tmp_path / "log.db"), "touchpoints", 0, 10)
        assert [(f.offset, f.body) for f in found] == [(0, b"1"), (1, b"2")]

    asyncio.run(story())


def test_after_a_commit_that_failed_the_log_goes_on_where_the_file_ends(tmp_path: Path) -> None:
    async def story() -> None:
        journal = Journal(tmp_path / "log.db", clock=lambda: 1_000)
        await journal.append([b"0"], [])
        frames.append(frames.open_file(tmp_path / "log.db"), "touchpoints", 1, 0, [b"1"])  # on disk, and not known
        with pytest.raises(Retry):
            await journal.append([b"2"], [])
        await journal.append([b"2"], [])
        found = frames.read(frames.open_reader(tmp_path / "log.db"), "touchpoints", 0, 10)
        assert [(f.offset, f.body) for f in found] == [(0, b"0"), (1, b"1"), (2, b"2")]

    asyncio.run(story())


def test_trimming_that_fails_leaves_no_transaction_open(tmp_path: Path) -> None:
    db = frames.open_file(tmp_path / "log.db")
    frames.append(db, "t", 0, 0, [b"x"])
    db.execute("CREATE TRIGGER kept BEFORE DELETE ON frames BEGIN SELECT RAISE(ABORT, 'not now'); END")
    with pytest.raises(sqlite3.IntegrityError, match="not now"):
        frames.trim(db, "t", 1, 1)
    db.execute("DROP TRIGGER kept")
    assert frames.trim(db, "t", 1, 1) == 1


def test_reopening_goes_on_after_the_last_frame(tmp_path: Path) -> None:
    for n in range(3):
        journal = Journal(tmp_path / "log.db", clock=lambda: 1_000)
        asyncio.run(journal.append([b"%d" % n], []))
        journal.close()
    found = frames.read(frames.open_reader(tmp_path / "log.db"), "touchpoints", 0, 10)
    assert [(f.offset, f.count, f.body) for f in found] == [(0, 1, b"0"), (1, 1, b"1"), (2, 1, b"2")]


@settings(deadline=None)  # it waits for the disk
@given(sizes=st.lists(st.integers(1, 5), max_size=12), before=st.integers(0, 14), young=st.integers(0, 14))
def test_trimming_drops_a_prefix_only_and_keeps_the_count(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], before: int, young: int
) -> None:
    db = frames.open_file(tmp_path_factory.mktemp("log") / "log.db")
    for offset, size in enumerate(sizes):
        frames.append(db, "t", offset, offset, [b"x"] * size)
    frames.trim(db, "t", before, young)
    kept = [f.offset for f in frames.read(db, "t", 0, 10**6)]
    first = min(before, young, len(sizes))
    assert kept == list(range(first, len(sizes)))
    assert frames.total(db, "t") == sum(sizes)
    assert frames.end(db, "t") == len(sizes)
