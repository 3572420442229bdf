"""After kill -9, a power cut, or with the wrong folder: each touchpoint once, none missing, or a clear refusal."""

import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from services.errors import RapportError
from services.runtime.frames import StoredFrame
from services.runtime.warehouse.watermarks import Place, Watermark, WatermarkFile
from services.runtime.warehouse.writer import Writer
from tests.warehouse.warehouse_lines import touchpoint
from tests.warehouse.warehouse_process import WarehouseProcess

LINES = 6_000
FRAME = 20


@pytest.fixture
def process(tmp_path: Path) -> Iterator[WarehouseProcess]:
    process = WarehouseProcess(tmp_path / "data")
    yield process
    if process.child and process.child.poll() is None:
        process.kill()


def each_once(process: WarehouseProcess) -> None:
    """What the log holds is in the warehouse: each line once, and nothing else."""
    process.caught_up()
    frames = process.written["log"].execute("SELECT body FROM frames ORDER BY offset").fetchall()
    lines = [line for (body,) in frames for line in body.splitlines()]
    count = len(lines)
    assert process.rows("SELECT count(), uniqExact(message_id), uniqExact(offset, index) FROM touchpoints") == [
        [count, count, count]
    ]
    assert (
        process.get("SELECT payload FROM touchpoints ORDER BY offset, index FORMAT TSVRaw").body.splitlines() == lines
    )


def test_whatever_is_lost_each_touchpoint_is_there_once(process: WarehouseProcess) -> None:
    def publish() -> None:
        for n in range(0, LINES, FRAME):
            process.publish("touchpoints", [touchpoint(i) for i in range(n, n + FRAME)])
            time.sleep(0.005)

    process.start()
    publishing = threading.Thread(target=publish)
    publishing.start()
    time.sleep(random.Random().uniform(0.3, 0.9))
    process.kill()  # at any moment of an insert
    process.start()
    publishing.join()
    each_once(process)

    process.kill()  # after an insert, before the watermark moved on
    with closing(process.watermarks()) as watermarks:
        assert watermarks.execute("UPDATE watermarks SET offset = 4 WHERE topic = 'touchpoints'").rowcount == 1
    process.start()
    each_once(process)

    assert process.stop() == 0
    process.files.warehouse.unlink()
    process.start()
    each_once(process)
    assert process.one("SELECT count() FROM touchpoint_log") >= LINES


class Topics:
    """Topics that hold the offsets 3 to 9 in two partitions."""

    life = "this"

    def incarnation(self, topic: str) -> str:
        return self.life

    def partitions(self, topic: str) -> list[int]:
        return [0, 1]

    def span(self, topic: str) -> dict[int, tuple[int, int]]:
        return {0: (3, 10), 1: (3, 10)}

    def read(self, topic: str, partition: int, start: int, limit: int) -> tuple[list[StoredFrame], int]:
        raise AssertionError("nothing may be read before everything fits")


class Marks:
    """Watermarks with one of the topic rejected, partition 1."""

    def __init__(self, mark: Watermark):
        self._mark = mark

    def all(self) -> dict[Place, Watermark]:
        return {Place("rejected", 1): self._mark}

    def advance(self, marks: Mapping[Place, Watermark]) -> None:
        raise AssertionError("nothing was read")


@pytest.mark.parametrize(
    ("life", "offset", "reason"),
    [
        ("this", 10, ""),
        ("this", 3, ""),
        ("other", 10, "made anew"),
        ("this", 11, "rejected, partition 1, ends at offset 10, but the warehouse has read up to 11.*older copy"),
        ("this", 2, "rejected, partition 1, begins at offset 3, but the warehouse has read up to 2 only"),
    ],
)
def test_a_warehouse_that_does_not_fit_its_log_is_refused(life: str, offset: int, reason: str) -> None:
    writer = Writer(cast(Any, None), Marks(Watermark(life, offset)), Topics())
    if not reason:
        writer.take_up()
        return
    with pytest.raises(RapportError, match=reason):
        writer.take_up()


def test_watermarks_of_another_warehouse_are_refused(tmp_path: Path) -> None:
    watermarks = WatermarkFile(tmp_path / "warehouse.db")
    watermarks.belong_to("this")
    watermarks.belong_to("this")
    with pytest.raises(RapportError, match=r"not the warehouse that warehouse.db belongs to"):
        watermarks.belong_to("other")


def refusal(process: WarehouseProcess) -> str:
    with pytest.raises(RuntimeError) as error:
        process.start()
    assert process.child
    assert process.child.returncode == 1
    return str(error.value)


def test_a_port_that_is_taken_is_named(process: WarehouseProcess, warehouse: WarehouseProcess) -> None:
    process.port = warehouse.port
    assert f"port {warehouse.port}" in refusal(process)


def test_a_second_process_on_the_folder_is_told_so(warehouse: WarehouseProcess) -> None:
    assert "another process has it" in refusal(WarehouseProcess(warehouse.files.folder))


def test_a_password_is_asked_for_when_there_is_one(tmp_path: Path) -> None:
    process = WarehouseProcess(tmp_path / "data", {"RAPPORT_READER_PASSWORD": "secret"}).start()
    assert process.get("SELECT 1").code == 516
    assert process.get("SELECT 1", {"X-ClickHouse-User": "reader", "X-ClickHouse-Key": "secret"}).body == b"1\n"
    assert process.stop() == 0


def test_every_insert_is_on_disk_before_the_watermark_moves(warehouse: WarehouseProcess) -> None:
    settings = warehouse.rows(
        "SELECT count() FROM system.tables WHERE database = 'rapport' AND engine LIKE '%MergeTree'"
        " AND NOT (create_table_query LIKE '%fsync_after_insert = 1, fsync_part_directory = 1%')"
    )
    assert settings == [[0]]
