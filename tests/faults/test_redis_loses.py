"""A Redis that loses its last second, and one that loses everything."""

import shutil
import time
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition

from services.runtime.kafka import topics
from services.runtime.kafka.connection import topic_name
from tests.cluster.engines import wait_for
from tests.faults.installation import Installation, installed

LOST = 1.5  # seconds of writes


def test_what_redis_has_forgotten_of_its_last_second_is_read_again(tmp_path: Path, kafka: Any) -> None:
    with installed(tmp_path, kafka.address) as ours:
        workers = ours.start(count=2)
        with ours.feed(people=40, rounds=60, every=0.2) as feed:
            for _ in range(2):
                time.sleep(3)
                _lose_the_last_second(ours)
            feed.wait()
        ours.settle()
        assert all(worker.process.poll() is None for worker in workers)
        ours.audit(replayed=True)
        told = "".join(worker.log.read_text() for worker in workers)
        assert "takes its state up again" in told


def _lose_the_last_second(ours: Installation) -> None:
    """Power fails: what its file held before is what it has."""
    folder = ours.folder / "redis-of-its-own" / "redis"
    copy = ours.folder / "copy-of-redis"
    time.sleep(1.1)  # everysec: what was written before this is in the file
    shutil.copytree(folder, copy)
    time.sleep(LOST)
    ours.redis_process.process.kill()
    shutil.rmtree(folder)
    shutil.move(copy, folder)
    ours.redis_process.start()


def test_a_redis_that_has_lost_everything_is_filled_from_the_log_with_the_same_people(
    tmp_path: Path, kafka: Any
) -> None:
    with installed(tmp_path, kafka.address) as ours:
        (worker,) = ours.start()
        with ours.feed(people=40, rounds=20, every=0.1) as feed:
            feed.wait()
        ours.settle()
        worker.stop()
        before = ours.audit(live=0, replayed=True)
        ours.redis.flushdb()
        ours.start()
        with ours.feed(people=40, rounds=10, every=0.1, seed=77) as feed:
            feed.wait()
        ours.settle()
        assert len(ours.audit(live=0, replayed=True).profiles) > len(before.profiles)


def test_an_empty_redis_under_running_workers_is_filled_from_the_log(tmp_path: Path, kafka: Any) -> None:
    with installed(tmp_path, kafka.address) as ours:
        ours.start(count=2)
        with ours.feed(people=40, rounds=40, every=0.2) as feed:
            time.sleep(4)
            ours.redis.flushdb()
            feed.wait()
        ours.settle()
        ours.audit(live=0, replayed=True)


def test_an_empty_redis_is_refused_when_the_log_has_lost_its_beginning(tmp_path: Path, kafka: Any) -> None:
    with installed(tmp_path, kafka.address) as ours:
        (worker,) = ours.start()
        ours.feed(people=40, rounds=1).now()
        ours.settle()
        worker.stop()
        ours.redis.flushdb()
        client = topics.administrator(ours.settings)
        name = topic_name(ours.settings, "touchpoints")
        for future in client.delete_records([TopicPartition(name, number, 1) for number in range(4)]).values():
            future.result()
        refused = ours.begin()
        wait_for(lambda: refused.process.poll() is not None, 60)
        assert refused.process.returncode == 1, refused.log.read_text()
        assert "do not belong" in refused.log.read_text() and "docs/cluster.md" in refused.log.read_text()
        assert not any(
            "at:" in field for key in ours.redis.keys("*:meta") for field in map(bytes.decode, ours.redis.hkeys(key))
        )
