"""The benchmark itself: it runs, and prints every figure. How large they are is no matter of a test."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.audiences import AUDIENCES
from benchmarks.million import SHARES
from benchmarks.posts import percentile
from benchmarks.report import STAGES, show
from benchmarks.standing import Stand, Watch
from benchmarks.workload import Workload
from services.identifiers import DEFAULT_RULES
from services.ingest import decode
from services.ingest.collect import Collector
from services.ingest.payload import Arrival
from services.ingest.sources import Limits, Source

ROOT = Path(__file__).parents[2]
PROCESSES = {"collector", "engine", "warehouse"}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", "--data", str(folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, env=os.environ)
    assert ran.returncode == 0, ran.stderr
    assert not list(folder.iterdir()), "its data is left behind"
    printed: dict[str, Any] = json.loads(ran.stdout)
    return printed


def test_every_figure_is_there(found: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    singles, steady, batches, way = (found[part] for part in ("singles", "steady", "batches", "whole_way"))
    assert min(part["per_second"] for part in (singles, batches, way)) > 0
    assert 0 < steady["p50_ms"] <= steady["p99_ms"] <= steady["max_ms"]
    assert 0 < way["visible_after_p50_s"] <= way["visible_after_p99_s"]
    assert set(STAGES) <= set(way["stages"]) and min(s["us_per_event"] for s in way["stages"].values()) >= 0
    assert set(way["memory_bytes"]) == PROCESSES and set(way["cpu_us_per_event"]) == PROCESSES | {"generator"}
    assert way["disk_bytes_per_event"]["log.db"] > 0 and found["machine"]["fdatasync_ms"] > 0
    ways, judged = found["lookups"]["ways"], found["audiences"]
    assert min(way["full"]["per_second"] for way in ways.values()) > 0 and found["lookups"]["events_per_second"] > 0
    assert all(0 < way["half"]["p50_ms"] <= way["half"]["p99_ms"] for way in ways.values())
    assert set(judged["closures"]["each_us_per_person"]) == set(judged["sql"]["each"]) == set(AUDIENCES)
    assert 0 < judged["closures"]["people"] <= judged["sql"]["people"] and judged["sql"]["seconds"] > 0
    show(found)
    printed = capsys.readouterr().out
    assert all(
        part in printed
        for part in ("(a)", "(b)", "(c)", "(d)", "(e)", "assemble", "MB", "bytes an event", "aim on 2 cores")
    )


def test_what_was_accepted_is_what_clickhouse_counts(found: dict[str, Any]) -> None:
    books, later = found["whole_way"]["books"], found["million"]["books"]
    assert books["accepted"] == books["in ClickHouse's archive"] == books["in ClickHouse's profiles"] > 0
    assert later["accepted"] == later["in ClickHouse's archive"] == later["in ClickHouse's profiles"]
    assert later["accepted"] - books["accepted"] == found["million"]["touchpoints"] == 3_000


def test_memory_and_disk_of_many_touchpoints_are_told(
    found: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    many = found["million"]
    assert len(many["memory_bytes"]) == len(SHARES)
    assert all(set(held) == PROCESSES and min(held.values()) > 2**20 for held in many["memory_bytes"].values())
    assert sum(many["disk_bytes_per_million"][name] for name in ("log.db", "state.db")) > 0  # one may have had room
    show({"machine": found["machine"], "million": many})
    printed = capsys.readouterr().out
    assert all(part in printed for part in ("(f) 3,000", "collector", "end / halfway", "a million"))


def test_the_collector_accepts_all_of_the_workload() -> None:
    workload = Workload(300, lambda: "2026-01-31T12:00:00.123Z")
    collector = Collector(DEFAULT_RULES, Limits(), new_id=lambda: "no event is without an id")
    arrival = Arrival(Source(name="web", write_key="k", channel="web"), 1_769_860_800_500)
    calls = [*workload.introductions(), *(workload.event() for _ in range(3_000))]
    for call in calls:
        done = collector.collect(decode.envelope(b'{"batch":[%b]}' % call.body).batch, "", arrival)
        assert [verdict.status for verdict in done.verdicts] == ["accepted"]
    assert len({decode.item(call.body).message_id for call in calls}) == len(calls)


def test_the_workload_is_what_it_says() -> None:
    workload = Workload(1_000, lambda: "2026-01-31T12:00:00.123Z")
    events = [workload.event() for _ in range(20_000)]
    names = Counter(json.loads(event.body).get("name") or json.loads(event.body).get("event") for event in events)
    visitors = sum(b'"anonymousId":"v' in event.body for event in events)
    assert 500 <= sum(len(event.body) for event in events) / len(events) <= 600
    assert names["Home"] / 20_000 == pytest.approx(0.70 * 0.99, abs=0.02)
    assert names["Order Completed"] / 20_000 == pytest.approx(0.10 * 0.99, abs=0.02)
    assert visitors / 20_000 == pytest.approx(0.06, abs=0.01)


def test_the_same_seed_gives_the_same_events() -> None:
    one, two, other = (Workload(50, lambda: "now", seed=seed) for seed in (1, 1, 2))
    assert (first := [one.event() for _ in range(100)]) == [two.event() for _ in range(100)]
    assert first != [other.event() for _ in range(100)]


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_share_of_the_values_lies_below_a_percentile(values: list[float], share: float) -> None:
    values.sort()
    found = percentile(values, share)
    assert sum(value < found for value in values) <= len(values) * share
    assert found in values


def test_a_delay_is_the_time_until_a_later_look_shows_what_was_accepted() -> None:
    watch = Watch.__new__(Watch)
    watch.seen = [(0.0, Stand(10, 0, 0)), (1.0, Stand(20, 10, 5)), (2.5, Stand(20, 20, 10)), (4.0, Stand(20, 20, 20))]
    assert watch.delays() == [0.0, 1.5, 2.5, 3.0]
