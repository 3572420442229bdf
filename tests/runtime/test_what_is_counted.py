"""Which offsets each key is counted of: through definitions that come, go away and come back."""

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime import counted


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    found = opened()
    yield found
    found.close()


def opened() -> sqlite3.Connection:
    found = sqlite3.connect(":memory:", isolation_level=None)
    found.execute("CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
    return found


def test_in_a_new_file_everything_is_counted_from_the_first_on(db: sqlite3.Connection) -> None:
    counted.begin(db, ["a"], 0)
    assert counted.read(db) == {"a": [[0, None]]}
    assert counted.missing([[0, None]]) == []


def test_what_comes_later_lacks_what_was_before_and_what_comes_back_lacks_the_time_between(
    db: sqlite3.Connection,
) -> None:
    for keys, watermark in ((["a"], 0), (["a", "b"], 10), (["b"], 20), (["a", "b"], 30)):
        counted.begin(db, keys, watermark)
    assert {key: counted.missing(ranges) for key, ranges in counted.read(db).items()} == {
        "a": [(20, 30)],
        "b": [(0, 10)],
    }


@given(st.lists(st.tuples(st.sets(st.sampled_from("abc")), st.integers(0, 5)), min_size=1, max_size=8))
def test_every_offset_is_either_counted_or_missing(starts: list[tuple[set[str], int]]) -> None:
    db, at = opened(), 0
    done: dict[str, set[int]] = {key: set() for key in "abc"}
    for keys, frames in starts:
        counted.begin(db, sorted(keys), at)
        for key in keys:
            done[key] |= set(range(at, at + frames))
        at += frames
    for key in starts[-1][0]:
        lacking = {offset for start, end in counted.missing(counted.read(db)[key]) for offset in range(start, end)}
        assert lacking == set(range(at)) - done[key]
    db.close()
