"""What state costs in Redis can be measured, on any machine with a redis-server."""

import subprocess
import sys
from pathlib import Path

from services.runtime.cluster.programs import redis_server
from tests.cluster.running import otherwise

ROOT = Path(__file__).parents[2]


def test_it_measures_and_prints_every_figure() -> None:
    with otherwise("Redis"):
        redis_server()
    command = [sys.executable, "-m", "benchmarks.redis_costs", "--quick"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    for figure in ("5,000", "10,000 an anchor", "people: two", "fold", "identity", "assemble", "sent to Redis"):
        assert figure in ran.stdout
