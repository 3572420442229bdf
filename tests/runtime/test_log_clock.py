"""The clock that stamps: it never goes back along a log, whatever the machine's clock does."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from services.runtime import clock, frames
from services.runtime.engine_process import EngineProcess
from services.runtime.files import Files
from services.runtime.settings import Settings

RULE = """
name: told
when: {event: Order Completed}
then: [{webhook: {url: "https://crm.example/hook", secret_env: CRM_SECRET}}]
"""
Lives = st.lists(st.tuples(st.integers(0, 100), st.lists(st.integers(0, 100), max_size=5)), min_size=1, max_size=6)


@effort(max_examples=25, deadline=None)
@given(lives=Lives)
def test_stamps_only_grow_and_a_rule_goes_live_after_what_came_and_before_what_comes(
    lives: list[tuple[int, list[int]]],
) -> None:
    stamped: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        for started, machine in lives:
            log = frames.open_file(path)
            live_at = clock.begin(log, started)
            assert all(stamp < live_at for stamp in stamped) and live_at >= started
            ticks = iter(machine)
            stamps = clock.LogClock(clock.begun(log), lambda ticks=ticks: next(ticks))  # type: ignore[misc]
            for _ in machine:
                stamped.append(stamps())
                frames.append(log, "touchpoints", len(stamped), stamped[-1], [b"{}"])
                assert stamped[-1] >= live_at
            log.close()
    assert stamped == sorted(stamped)


def test_a_clock_that_is_right_is_told_as_it_is(tmp_path: Path) -> None:
    log = frames.open_file(tmp_path / "log.db")
    assert clock.begin(log, 1_000) == 1_000
    stamps = clock.of_log(tmp_path / "log.db")
    assert abs(stamps() - clock.wall()) < 60_000


def test_a_life_that_received_nothing_counts_too(tmp_path: Path) -> None:
    log = frames.open_file(tmp_path / "log.db")
    assert [clock.begin(log, machine) for machine in (1_000, 400, 2_000)] == [1_000, 1_000, 2_000]


def test_a_rule_of_the_engine_is_live_for_the_next_touchpoint_also_after_the_machines_clock_was_set_back(
    tmp_path: Path,
) -> None:
    files, tomorrow = Files(tmp_path), clock.wall() + 86_400_000
    log = frames.open_file(files.log)
    frames.append(log, "touchpoints", 0, tomorrow, [b"{}"])  # received before somebody set the clock back
    clock.begin(log, clock.wall())
    (tmp_path / "sources.yaml").write_text("sources: [{name: shop, write_key: key, channel: web}]")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "told.yaml").write_text(RULE)
    engine = EngineProcess(Settings(data=tmp_path, config=tmp_path))
    (live_at,) = engine._live.values()
    assert tomorrow < live_at <= clock.of_log(files.log)() == engine._clock()
