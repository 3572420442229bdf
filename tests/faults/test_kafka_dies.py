"""Brokers of Kafka that are killed: the only one, which comes back, and one of three, which does not."""

import time
from pathlib import Path
from typing import Any

from tests.cluster.running import running_kafka
from tests.faults.installation import installed

AWAY = 8.0  # seconds


def test_a_broker_that_is_killed_and_comes_back_is_waited_for(tmp_path: Path, own_kafka: Any) -> None:
    broker = own_kafka.brokers[0]
    with installed(tmp_path, own_kafka.address) as ours:
        workers = ours.start(count=2)
        with ours.feed(people=40, rounds=30, every=0.3) as feed:
            time.sleep(3)
            broker.process.kill()
            time.sleep(AWAY)
            broker.restart()
            feed.wait()
        ours.settle()
        assert all(worker.process.poll() is None for worker in workers)
        ours.audit()


def test_one_of_three_brokers_may_die_for_good(tmp_path: Path) -> None:
    with running_kafka(tmp_path / "kafka", brokers=3) as kafka, installed(tmp_path, kafka.address, 3) as ours:
        workers = ours.start(count=2)
        with ours.feed(people=40, rounds=40, every=0.3) as feed:
            time.sleep(3)
            kafka.brokers[0].process.kill()
            feed.wait()
        ours.settle()
        assert all(worker.process.poll() is None for worker in workers)
        ours.audit()
