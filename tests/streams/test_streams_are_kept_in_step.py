"""Whoever follows a topic, however interrupted, ends with what the topic says: snapshot, tail, rebuilds, workspaces."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.topics import TOPICS
from services.runtime import frames
from services.runtime.streams import documents, reader
from services.runtime.streams.reader import StreamReader
from tests.streams.stream_platform import Record, World, records, touchpoint
from tests.streams.stream_platform import reader as reader_of

RETAINED = sorted(name for name, topic in TOPICS.items() if topic.public and topic.retention)
WORKSPACES = ("main", "brand-b")
NAMES = ["user_id:u1", "user_id:u2", "anonymous_id:a1", "anonymous_id:a2", "anonymous_id:a3"]

seen = st.tuples(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True), st.sampled_from(WORKSPACES))
step = st.one_of(
    st.lists(seen, min_size=1, max_size=4),  # touchpoints come
    st.integers(0, 9),  # the reader deals with so many lines
    st.just("again"),  # it is killed, and comes again with its position
    st.just("rebuild"),
)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that everything takes several."""
    monkeypatch.setattr(documents, "KEYS", 2)
    monkeypatch.setattr(reader, "LINES", 2)


@contextmanager
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        found = World(Path(folder))
        try:
            yield found
        finally:
            found.close()


class Copy:
    """A reader of one topic that keeps the last value of every key, and the position after it."""

    def __init__(self, world: World, stream: StreamReader):
        self._db, self._stream = frames.open_reader(world.path), stream
        self.position, self.values, self.all = "beginning", dict[str, bytes](), list[bytes]()
        self.come_again()

    def come_again(self) -> None:
        """With nothing but the position of the last line that was dealt with."""
        self._place, self._lines = self._stream.start(self._db, self.position), list[Record]()

    def deal(self, many: int) -> None:
        for _ in range(many):
            if not self._lines:
                page = self._stream.page(self._db, self._place)
                self._place, self._lines = page.place, records(b"".join(page.lines))
            if self._lines:
                line = self._lines.pop(0)
                self.position, self.values[line.key] = line.position, bytes(line.value)
                self.all.append(bytes(line.value))

    def catch_up(self) -> None:
        while self._lines or self._place.after is not None or self._place.offset < self._end():
            self.deal(1)

    def _end(self) -> int:
        return frames.end(self._db, self._stream.topic.name)

    def close(self) -> None:
        self._db.close()


def alive(values: dict[str, bytes]) -> dict[str, bytes]:
    return {key: value for key, value in values.items() if b'"deleted":true' not in value}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(step, max_size=14))
def test_a_copy_ends_with_the_newest_document_of_every_profile(steps: list[object]) -> None:
    with world() as it:
        copies = {workspace: Copy(it, reader_of("profiles", workspace)) for workspace in WORKSPACES}
        number = 0
        for one in steps:
            if isinstance(one, list):
                for identifiers, workspace in one:
                    it.receive(touchpoint(number := number + 1, *sorted(identifiers)[::-1], workspace=workspace))
            for copy in copies.values():
                if isinstance(one, int):
                    copy.deal(one)
                elif one == "again":
                    copy.come_again()
            if one == "rebuild":
                it.rebuild()
                it.work(1)
        it.work()
        it.take_back()
        for workspace, copy in copies.items():
            copy.catch_up()
            copy.close()
            assert alive(copy.values) == alive(dict(it.published("profiles", workspace)))
            fresh = Copy(it, reader_of("profiles", workspace))
            fresh.catch_up()
            fresh.close()
            assert alive(fresh.values) == alive(copy.values)
            assert fresh.values.items() <= copy.values.items(), "what is deleted or redirected is said the same way"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(seen, max_size=12), st.integers(1, 5), st.sampled_from(RETAINED))
def test_a_topic_that_is_no_snapshot_is_read_line_by_line_from_any_position(
    people: list[tuple[list[str], str]], size: int, topic: str
) -> None:
    with world() as it:
        for number, (identifiers, workspace) in enumerate(people):
            it.receive(touchpoint(number, *sorted(identifiers)[::-1], workspace=workspace))
        for workspace in WORKSPACES:
            copy = Copy(it, reader_of(topic, workspace))
            published = it.published(topic, workspace)
            for _ in range(len(published) // size + 1):
                copy.deal(size)
                copy.come_again()
            copy.catch_up()
            copy.close()
            assert copy.all == [value for _, value in published]


def test_the_snapshot_is_what_a_compacted_topic_would_still_carry() -> None:
    with world() as it:
        for number in range(1, 9):
            it.receive(touchpoint(number, f"user_id:u{number % 2}", f"anonymous_id:a{number}"))
        it.receive(touchpoint(20, "user_id:u7", workspace="brand-b"))
        copy = Copy(it, reader_of("profiles"))
        copy.catch_up()
        copy.close()
        assert copy.values == dict(it.published("profiles"))
        assert list(copy.values) == sorted(copy.values), "in the order of keys, which the position continues"
        assert any(b'"redirect":"p' in value for value in copy.values.values())


def test_accounts_have_a_snapshot_too() -> None:
    with world() as it:
        for number in range(1, 7):
            it.receive(touchpoint(number, f"user_id:u{number}", group=f"g{number % 3}"))
        copy = Copy(it, reader_of("accounts"))
        copy.catch_up()
        copy.close()
        assert copy.values == dict(it.published("accounts")) and len(copy.values) == 3
