"""Workers come and go every second or two, asked and killed, while touchpoints come."""

import random
import time
from pathlib import Path
from typing import Any

from tests.faults.installation import installed, until_at_work

STORM = 30.0  # seconds
MOST = 3  # workers at once


def test_a_storm_of_rebalances_costs_time_and_nothing_else(tmp_path: Path, kafka: Any) -> None:
    r = random.Random(7)
    with installed(tmp_path, kafka.address) as ours:
        alive = ours.start(count=2)
        with ours.feed(people=40, rounds=1_000, every=0.3):
            until = time.monotonic() + STORM
            while time.monotonic() < until:
                if len(alive) < MOST:
                    alive.append(ours.begin())
                else:
                    gone = alive.pop(r.randrange(len(alive)))
                    gone.process.terminate() if r.random() < 0.5 else gone.kill()
                time.sleep(r.uniform(1, 2))
        for worker in alive:
            until_at_work(worker)
        ours.settle()
        for worker in ours.started:
            assert worker.process.poll() in (None, 0, -9, -15), worker.log.read_text()[-3000:]
        ours.audit()
