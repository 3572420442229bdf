"""kill -9 of a worker at every step of the handler, in every stage, while touchpoints come."""

from pathlib import Path
from typing import Any

from tests.cluster.engines import wait_for
from tests.faults.dying_worker import STEPS
from tests.faults.installation import installed

LIVES = 240  # seconds for all of them


def test_a_worker_killed_at_any_step_loses_and_doubles_nothing(tmp_path: Path, kafka: Any) -> None:
    with installed(tmp_path, kafka.address) as ours:
        logs = {stage: tmp_path / f"dying-{stage}.log" for stage in STEPS}
        with ours.feed(people=30, rounds=1_000, every=0.4):
            dying = [ours.dying(stage) for stage in STEPS]
            wait_for(
                lambda: all(log.exists() and "for good: at work" in log.read_text() for log in logs.values()), LIVES
            )
        ours.settle()
        for process in dying:
            process.terminate()
            assert process.wait(40) == 0
        told = [line for log in logs.values() for line in log.read_text().splitlines()]
        assert not [line for line in told if "WRONG" in line]
        ours.audit()
