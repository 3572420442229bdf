"""What the log has trimmed comes back from the archive as it was, and a timeline's pages lose nothing."""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.errors import RapportError
from services.profile import api
from services.runtime import archive, frames
from services.runtime.archive import Archive
from services.runtime.settings import Settings
from services.runtime.timeline import WarehouseTimeline
from tests.warehouse.warehouse_lines import NOW, touchpoint
from tests.warehouse.warehouse_process import ROOT, WarehouseProcess

AGAIN = """
import sys
from pathlib import Path
from services.runtime.warehouse.engine import Engine
engine = Engine(Path(sys.argv[1]))
columns = "incarnation, partition, offset, index, anchor_id, payload"
for chosen in ("incarnation, partition, offset", "'another', partition, offset", "incarnation, 7, offset"):
    select = f"SELECT {chosen}, index, anchor_id, payload FROM touchpoint_log WHERE index % 3 = 0 ORDER BY rand()"
    engine.writer.command(f"INSERT INTO touchpoint_log ({columns}) {select}")
engine.writer.command("ALTER TABLE touchpoint_log DELETE WHERE offset = 6 AND index = 1 SETTINGS mutations_sync = 2")
engine.close()
"""


def shuffled_lines(seed: int, count: int) -> list[bytes]:
    """Lines whose order in the table is another than in their frame; one is no UTF-8."""
    chance = random.Random(seed)
    lines = [touchpoint(seed * 1_000 + n, anchor=f"user_id:u{chance.random()}") for n in range(count)]
    return [lines[0].replace(b"/p", b"\xff\xfe"), *lines[1:]]


SIZES = (300, 1, 40, 1, 1, 700, 5)


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarehouseProcess]:
    """A warehouse with seven frames; some rows are there twice, some also under another life of the log, and the last
    frame misses a line."""
    process = WarehouseProcess(tmp_path_factory.mktemp("archived")).start()
    for number, size in enumerate(SIZES):
        process.publish("touchpoints", shuffled_lines(number, size))
    process.caught_up()
    assert process.stop() == 0
    program = [sys.executable, "-c", AGAIN, str(process.files.clickhouse)]
    subprocess.run(program, check=True, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, timeout=60)
    process.start()
    yield process
    assert process.stop() == 0


@pytest.mark.parametrize(("lines", "size"), [(10_000, 1 << 24), (341, 1 << 24), (10_000, 50_000), (1, 1)])
def test_frames_come_back_from_the_archive_as_they_were(
    archived: WarehouseProcess, monkeypatch: pytest.MonkeyPatch, lines: int, size: int
) -> None:
    monkeypatch.setattr(archive, "LINES", lines)
    monkeypatch.setattr(archive, "BYTES", size)
    log = archived.written["log"]
    reader = Archive(Settings(clickhouse_port=archived.port), frames.incarnation(log))
    fetches = monkeypatched_fetch(reader, monkeypatch)
    start, found = 0, []
    while start < 6:
        some = reader.read(start, 6, 300)
        assert sum(frame.count for frame in some[:-1]) < 300
        found += some
        start = some[-1].offset + 1
    expected = frames.read(log, "touchpoints", 0, 10**6)[:6]
    assert [(f.offset, f.count, f.body) for f in found] == [(f.offset, f.count, f.body) for f in expected]
    assert all(len(one) == 1 or sum(f.count for f in one) <= lines for one in fetches)
    assert all(len(one) == 1 or sum(len(f.body) for f in one) <= size for one in fetches)


def monkeypatched_fetch(reader: Archive, monkeypatch: pytest.MonkeyPatch) -> list[list[frames.StoredFrame]]:
    """What the reader fetches at once, from now on."""
    fetches: list[list[frames.StoredFrame]] = []
    fetch = reader._fetch

    def noted(start: int, end: int) -> list[frames.StoredFrame]:
        fetches.append(fetch(start, end))
        return list(fetches[-1])

    monkeypatch.setattr(reader, "_fetch", noted)
    return fetches


def test_a_frame_that_is_not_whole_or_not_there_is_refused(archived: WarehouseProcess) -> None:
    settings = Settings(clickhouse_port=archived.port)
    reader = Archive(settings, frames.incarnation(archived.written["log"]))
    for start in (6, 7):
        with pytest.raises(RapportError, match=f"frame {start} "):
            reader.read(start, 8, 10)
    with pytest.raises(RapportError, match="frame 0 "):
        Archive(settings, "a log that never was").read(0, 6, 10)


def test_a_rebuild_is_not_begun_when_the_archive_lacks_what_the_log_has_trimmed(
    archived: WarehouseProcess, tmp_path: Path
) -> None:
    log = frames.open_file(tmp_path / "log.db")
    for frame in frames.read(archived.written["log"], "touchpoints", 0, 10**6):
        frames.append(log, "touchpoints", frame.offset, 0, frame.body.split(b"\n"))
    reader = Archive(Settings(clickhouse_port=archived.port), frames.incarnation(archived.written["log"]))
    reader.check(log)
    frames.trim(log, "touchpoints", 6, 10**15)
    reader.check(log)
    frames.trim(log, "touchpoints", 7, 10**15)
    with pytest.raises(RapportError, match="1,048 touchpoints have left the log, and the archive has 1,047"):
        reader.check(log)


def test_pages_of_a_timeline_lose_nothing_where_one_message_id_is_under_several_anchors(
    warehouse: WarehouseProcess,
) -> None:
    anchors = [f"user_id:u{n}" for n in range(5)]
    said = {"workspace": "paged", "message_id": "same", "timestamp": NOW}
    lines = [touchpoint(day, **said, anchor=anchor, received_at=NOW + day) for anchor in anchors for day in (1, 2)]
    warehouse.publish("touchpoints", lines)
    warehouse.caught_up()
    timeline = WarehouseTimeline(Settings(), f"http://127.0.0.1:{warehouse.port}")
    seen: list[tuple[str, int]] = []
    before = ""
    while len(seen) <= len(lines):
        page = timeline.page("paged", tuple(anchors), api._cursor(before) if before else None, 3)
        seen += [(item["anchor"], item["received_at"]) for item in page]
        if len(page) < 3:
            break
        before = api._next(page[-1])
    assert sorted(seen) == sorted((anchor, NOW + day) for anchor in anchors for day in (1, 2))


def test_the_warehouse_is_asked_directly_whatever_proxy_the_environment_names(
    archived: WarehouseProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    settings = Settings(clickhouse_port=archived.port)
    assert Archive(settings, frames.incarnation(archived.written["log"])).read(0, 6, 1)
    timeline = WarehouseTimeline(settings, f"http://127.0.0.1:{archived.port}")
    assert len(timeline.page("main", ("user_id:u1",), None, 1)) == 0
