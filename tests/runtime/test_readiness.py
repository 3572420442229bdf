"""/readyz: not ready while a part fails, or while a reader with something to read has not moved for half a minute."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge

from services.pipeline import STAGES
from services.runtime import frames
from services.runtime.files import Files
from services.runtime.followups.ledger import Ledger
from services.runtime.readiness import HALT, Readiness
from services.runtime.sqlite_state import StateFile
from services.runtime.warehouse.watermarks import Place as Partition
from services.runtime.warehouse.watermarks import Watermark, WatermarkFile


class Place:
    """A data folder whose readers stand where the test puts them, a clock, and the metrics."""

    def __init__(self, folder: Path):
        self.files, self.now, self.shown = Files(folder), 1_000.0, CollectorRegistry()
        self.failing = Gauge("rapport_failing", "", ["part"], registry=self.shown)
        self.log, self.state = frames.open_file(self.files.log), StateFile(self.files.state, STAGES).db
        self.ledger, self.warehouse = Ledger(self.files.ledger), WatermarkFile(self.files.warehouse)
        self.readiness = Readiness(self.files, self.shown, lambda: self.now)

    def received(self, count: int) -> None:
        start = frames.end(self.log, "touchpoints")
        for n in range(count):
            frames.append(self.log, "touchpoints", start + n, 0, [b"{}"])

    def stand(self, engine: int, warehouse: int) -> None:
        self.state.execute("INSERT OR REPLACE INTO watermarks VALUES ('fold', 'touchpoints', ?)", (engine,))
        self.warehouse.advance({Partition("touchpoints"): Watermark("this", warehouse)})

    def after(self, seconds: float) -> list[str]:
        self.now += seconds
        return self.readiness.reasons()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_platform_with_nothing_to_do_is_ready_for_ever(place: Place) -> None:
    assert not place.after(0) and not place.after(10 * HALT)
    place.received(5)
    place.stand(engine=5, warehouse=5)
    assert not place.after(10 * HALT) and not place.after(10 * HALT)
    place.received(1)
    assert not place.after(10 * HALT), "what has just come is no halt"


def test_a_reader_that_stands_still_is_named_until_it_moves(place: Place) -> None:
    place.received(1_000)
    place.stand(engine=1_000, warehouse=400)
    assert not place.after(0) and not place.after(HALT)
    assert place.after(1) == ["the warehouse has not moved for 31 s: it stands at 400 of 1,000 frames"]
    place.stand(engine=1_000, warehouse=401)
    assert not place.after(0)


def test_a_reader_that_is_far_behind_and_moves_is_at_work(place: Place) -> None:
    place.received(1_000)
    for step in range(5):
        place.stand(engine=step, warehouse=step)
        assert not place.after(HALT)


def test_a_rebuild_that_begins_where_the_engine_once_stood_is_no_halt(place: Place) -> None:
    place.received(5)
    place.stand(engine=0, warehouse=5)
    assert not place.after(0)
    place.stand(engine=5, warehouse=5)
    assert not place.after(2 * HALT)
    place.stand(engine=0, warehouse=5)
    assert not place.after(2 * HALT)


def test_delivery_that_stands_still_is_named(place: Place) -> None:
    frames.append(place.state, "actions", 0, 0, [b"{}"])
    assert not place.after(0)
    assert place.after(HALT + 1) == ["the delivery has not moved for 31 s: it stands at 0 of 1 frames"]


def test_a_part_that_fails_is_named_until_it_works(place: Place) -> None:
    place.failing.labels("engine").set(1)
    assert place.after(0) == ["the engine fails and tries again: the log of `rapport up` says why"]
    place.failing.labels("engine").set(0)
    assert not place.after(0)


def test_a_file_that_cannot_be_read_is_named(place: Place) -> None:
    place.files.log.unlink()
    (reason,) = place.after(0)
    assert reason.startswith("the log file cannot be read")
