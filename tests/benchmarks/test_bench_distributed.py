"""The benchmark of a cluster: it runs, counts every event, and prints every figure."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.distributed.report import show
from services.pipeline import STAGES
from services.runtime.cluster.jars import jars
from services.runtime.cluster.programs import java, redis_server
from services.runtime.files import cache_folder
from tests.cluster.running import otherwise

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with otherwise("Kafka and Redis"):
        java(), redis_server(), jars(cache_folder())
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "benchmarks.distributed", "--quick", "--json", "--data", str(folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert ran.returncode == 0, ran.stderr
    assert not list(folder.iterdir()), "its data is left behind"
    printed: dict[str, Any] = json.loads(ran.stdout)
    return printed


def test_every_event_is_in_a_profile(found: dict[str, Any]) -> None:
    assert found["books"]["written"] == found["books"]["in profiles"] > 0


def test_every_figure_of_a_cluster_is_there(found: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    crews, stages = found["crews"], found["crews"]["by stage"]
    assert all(min(one["per_second"], one["documents"]) > 0 for one in crews.values())
    assert set(stages["cpu_us"]) == {*STAGES, "kafka-1", "redis"} and found["embedded_us"]["engine"] > 0
    assert all(0 < one["p50_ms"] <= one["p99_ms"] for one in found["frames"].values())
    assert all(one["answered_p50_ms"] > 0 for one in found["latency"].values())
    assert all(one["seconds"] > 0 for one in found["recovery"].values())
    show(found)
    printed = capsys.readouterr().out
    assert all(part in printed for part in ("(a)", "(b)", "(c)", "(d)", *STAGES, "MB", "touchpoints", "aim"))
