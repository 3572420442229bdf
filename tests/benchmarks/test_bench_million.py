"""The benchmark of a million touchpoints, with a few of them: it runs, counts them all, and tells growth from flat."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.million import SHARES, Sample, flatness, most_at
from benchmarks.report_of_million import show

ROOT = Path(__file__).parents[2]
PROCESSES = {"collector", "engine", "warehouse"}
looks = st.lists(st.tuples(st.integers(0, 1_000), st.integers(1, 10**9)), min_size=1).map(
    lambda drawn: [Sample(visible, {"engine": size}) for visible, size in sorted(drawn)]
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("million")
    few = ["--touchpoints", "2950", "--people", "230", "--json", "--data", str(folder)]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.million", *few], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0, ran.stderr
    assert not list(folder.iterdir()), "its data is left behind"
    printed: dict[str, Any] = json.loads(ran.stdout)
    return printed


def test_everything_that_was_sent_is_counted(found: dict[str, Any]) -> None:
    books = found["books"]
    assert books["accepted"] == books["in ClickHouse's archive"] == books["in ClickHouse's profiles"] == 3_000 + 230


def test_memory_and_disk_are_told(found: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert len(found["memory_bytes"]) == len(SHARES)
    assert all(set(held) == PROCESSES and min(held.values()) > 2**20 for held in found["memory_bytes"].values())
    assert min(found["disk_bytes_per_million"][name] for name in ("log.db", "state.db", "clickhouse")) > 0
    show(found)
    printed = capsys.readouterr().out
    assert all(part in printed for part in ("(f) 3,000", "collector", "end / halfway", "log.db", "a million"))


@given(size=st.integers(2**20, 2**33), leak=st.floats(0.3, 10))
def test_memory_that_grows_with_the_touchpoints_is_told(size: int, leak: float) -> None:
    samples = [Sample(n, {"steady": size, "leaks": int(size * (1 + leak * n / 1_000))}) for n in range(0, 1_001, 10)]
    told = flatness(samples, 1_000)
    assert told["grows"] == ["leaks"] and told["growth"]["steady"] == 1


@given(size=st.integers(2**20, 2**33), swing=st.floats(0, 5), period=st.integers(2, 9))
def test_memory_that_comes_and_goes_is_flat(size: int, swing: float, period: int) -> None:
    samples = [Sample(n * 10, {"engine": int(size * (1 + swing * (n % period) / period))}) for n in range(101)]
    assert flatness(samples, 1_000)["grows"] == []


@given(looks, st.integers(0, 1_000), st.integers(1, 1_000))
def test_the_most_memory_of_a_stretch_is_that_of_a_look_in_it(samples: list[Sample], visible: int, before: int) -> None:
    most = most_at(samples, visible, before)["engine"]
    inside = [sample.memory["engine"] for sample in samples if visible - before < sample.visible <= visible]
    assert most == max(inside) if inside else most in [sample.memory["engine"] for sample in samples]
