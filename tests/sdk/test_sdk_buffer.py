"""The buffer on disk: what was put is there until it is settled, whatever is cut off, and never twice."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapport_sdk import QueueFull, buffer, spool
from rapport_sdk.buffer import Buffer

MANY = 1_000_000
lines = st.lists(st.binary(min_size=1, max_size=60).map(lambda line: line.replace(b"\n", b" ")), max_size=12)


@contextmanager
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as made:
        yield Path(made)


def waiting(one: Buffer, events: int = 3) -> list[bytes]:
    """Everything that waits, in the order in which it is read, settled on the way."""
    found = []
    while batch := one.batch(events, 0, 0):
        found += batch
        one.settle(batch)
    return found


def crashed(one: Buffer) -> None:
    """As after kill -9: the locks are gone, and nothing was tidied up."""
    one.forget()


@given(lines, st.data())
def test_after_a_crash_everything_unsettled_is_found_in_order(put: list[bytes], data: st.DataObject) -> None:
    with folder() as here:
        first = Buffer(here, MANY, MANY)
        for line in put:
            first.put(line, 0)
        settled = first.batch(data.draw(st.integers(1, 12)), 0, 0)
        if settled and data.draw(st.booleans()):
            first.settle(settled)
        else:
            settled = []
        crashed(first)
        second = Buffer(here, MANY, MANY)
        second.put(b"newer", 0)
        second.adopt()
        assert waiting(second) == [*put[len(settled) :], b"newer"]
        second.close()
        assert not list(here.iterdir())


@given(lines.filter(bool), st.data())
def test_a_line_that_was_cut_off_was_never_promised(put: list[bytes], data: st.DataObject) -> None:
    with folder() as here:
        first = Buffer(here, MANY, MANY)
        for line in put:
            first.put(line, 0)
        crashed(first)
        (path,) = here.iterdir()
        size = data.draw(st.integers(0, path.stat().st_size))
        os.truncate(path, size)
        whole = path.read_bytes()
        second = Buffer(here, MANY, MANY)
        second.adopt()
        found = waiting(second)
        assert found == put[: len(found)] and len(found) == max(whole.count(b"\n") - 1, 0)
        second.close()


def test_who_is_alive_keeps_its_file_and_each_orphan_has_one_heir(tmp_path: Path) -> None:
    first, second, third = (Buffer(tmp_path, MANY, MANY) for _ in range(3))
    first.put(b"1", 0)
    second.adopt()
    assert waiting(second) == []
    crashed(first)
    second.adopt()
    third.adopt()
    assert (waiting(second), waiting(third)) == ([b"1"], [])


def test_files_rotate_and_are_removed_when_they_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "ROTATED", 100)
    one = Buffer(tmp_path, MANY, MANY)
    put = [b"event %d" % n for n in range(200)]
    for line in put:
        one.put(line, 0)
    assert len(list(tmp_path.iterdir())) > 10
    assert waiting(one, 7) == put
    (left,) = tmp_path.iterdir()
    assert left.stat().st_size < 100
    one.close()
    assert not list(tmp_path.iterdir())


def test_a_full_buffer_waits_for_room_and_then_says_so(tmp_path: Path) -> None:
    one = Buffer(tmp_path, MANY, 2)
    one.put(b"1", 0)
    one.put(b"2", 0)
    with pytest.raises(QueueFull, match=r"2 events \(4 bytes\) wait in .*: is the platform up"):
        one.put(b"3", 0.01)
    timer = threading.Timer(0.05, lambda: one.settle(one.batch(1, 0, 0)))
    timer.start()
    one.put(b"3", 10)
    assert waiting(one) == [b"2", b"3"]


def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    one = Buffer(tmp_path, 100, MANY)
    with pytest.raises(QueueFull):
        for _ in range(12):
            one.put(b"123456789", 0)
    assert len(waiting(one)) == 10


def test_a_disk_that_takes_nothing_is_said_and_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Buffer(tmp_path, MANY, MANY)
    one.put(b"before", 0)
    really = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: really(fd, data[:3], at))
    with pytest.raises(QueueFull, match="took only a part"):
        one.put(b"torn", 0)
    monkeypatch.setattr(os, "pwrite", really)
    one.put(b"after", 0)
    assert waiting(one) == [b"before", b"after"]


def test_a_damaged_file_is_put_aside_and_the_rest_is_read(tmp_path: Path) -> None:
    first = Buffer(tmp_path, MANY, MANY)
    first.put(b"1", 0)
    crashed(first)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b"x" * buffer.BATCH_BYTES + b"\n")
    second = Buffer(tmp_path, MANY, MANY)
    second.adopt()
    second.put(b"2", 0)
    found = [*waiting(second), *waiting(second)]
    assert found == [b"1", b"2"] and second.wait_until_settled(0) == 0
    second.close()
    assert [left.suffix for left in tmp_path.iterdir()] == [".damaged"]


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    strange = tmp_path / f"strange{spool.SUFFIX}"
    strange.write_text("a file of somebody else, which has more than one line's head of text\n" * 3)
    one = Buffer(tmp_path, MANY, MANY)
    one.adopt()
    assert waiting(one) == [] and strange.exists()


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    one = Buffer(tmp_path, MANY, MANY)
    one.put(b"1", 0)
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_threads_put_and_one_reads(tmp_path: Path) -> None:
    one, found = Buffer(tmp_path, 2_000, MANY), []
    threads = [
        threading.Thread(target=lambda k=k: [one.put(b"%d-%d" % (k, n), 10) for n in range(500)]) for k in range(4)
    ]
    for thread in threads:
        thread.start()
    while len(found) < 2_000 and (batch := one.batch(50, 0.01, 5)):
        found += batch
        one.settle(batch)
    assert sorted(found) == sorted(b"%d-%d" % (k, n) for k in range(4) for n in range(500))
    assert [line for line in found if line.startswith(b"1-")] == [b"1-%d" % n for n in range(500)]
