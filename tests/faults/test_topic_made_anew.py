"""A topic that is deleted and made again under the workers: they notice, say so, and write nothing."""

import time
from pathlib import Path
from typing import Any

import pytest

from services.runtime.kafka import topic_plan, topics
from services.runtime.kafka.connection import topic_name
from tests.cluster.engines import wait_for
from tests.faults.installation import Installation, installed


@pytest.mark.parametrize("topic", ["touchpoints", "cells"])
def test_workers_refuse_a_topic_that_is_another_one(tmp_path: Path, kafka: Any, topic: str) -> None:
    with installed(tmp_path, kafka.address) as ours:
        (worker,) = ours.start()
        ours.feed(people=40, rounds=1).now()
        ours.settle()
        _make_anew(ours, topic)
        before = _state(ours)
        feed = ours.feed(people=40, rounds=2, seed=5)
        feed.now()
        wait_for(lambda: worker.process.poll() is not None, 60)
        assert worker.process.returncode == 1, worker.log.read_text()[-3000:]
        again = ours.begin()
        wait_for(lambda: again.process.poll() is not None, 60)
        assert again.process.returncode == 1
        for log in (worker.log, again.log):
            assert f"the topic {topic} was made anew" in log.read_text().splitlines()[-1]
        assert _state(ours) == before


def _make_anew(ours: Installation, topic: str) -> None:
    client = topics.administrator(ours.settings)
    name = topic_name(ours.settings, topic)
    client.delete_topics([name])[name].result()
    wait_for(lambda: name not in client.list_topics(timeout=10).topics, 20)
    time.sleep(0.5)
    topic_plan.apply(client, ours.settings, topic_plan.plan(client, ours.settings))


def _state(ours: Installation) -> dict[Any, Any]:
    """Everything in Redis but fences and how far the time is."""
    found = {}
    for key in sorted(ours.redis.keys("rapport:{*/*}:*")):
        kind = key.decode().rpartition(":")[2]
        if kind == "wakeups":
            found[key] = ours.redis.zrange(key, 0, -1)
        else:
            held = ours.redis.hgetall(key)
            found[key] = {name: value for name, value in held.items() if name not in (b"token", b"at:now")}
    return found
