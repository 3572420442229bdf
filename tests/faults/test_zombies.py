"""A worker that is stopped for longer than its session, and comes back: others have its work, it disturbs nobody."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from services.runtime.workers.consumer import SESSION
from tests.faults.installation import installed


def test_a_worker_that_comes_back_from_the_dead_writes_and_tells_nothing_late(tmp_path: Path, kafka: Any) -> None:
    with installed(tmp_path, kafka.address) as ours:
        first, second = ours.start(count=2)
        with ours.feed(people=40, rounds=1_000, every=0.3):
            time.sleep(2)
            for victim in (first, second):
                os.kill(victim.process.pid, signal.SIGSTOP)
                time.sleep(SESSION + 4)  # the other one has everything, and goes on
                os.kill(victim.process.pid, signal.SIGCONT)
                time.sleep(6)
        ours.settle()
        assert first.process.poll() is None and second.process.poll() is None
        ours.audit()
        second.kill()  # so the first one must have come back as a member
        with ours.feed(people=40, rounds=10, every=0.1, seed=77):
            time.sleep(1)
        ours.settle()
        ours.audit()
