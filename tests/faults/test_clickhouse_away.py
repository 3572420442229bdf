"""ClickHouse is away for a while, and lines that are no touchpoints come meanwhile.

Afterwards every touchpoint is there, once, and so is everything that was told.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

from services.runtime.clickhouse_reader import connect_to
from services.runtime.kafka.connection import topic_name
from tests.cluster.engines import wait_for
from tests.faults.audit import accepted
from tests.faults.installation import installed
from tests.faults.test_poison import POISON
from tests.warehouse.server_process import PASSWORD, ServerProcess

AWAY = 8.0  # seconds; nothing is different after a minute


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """ClickHouse's interface, as `rapport clickhouse` runs it."""
    started = ServerProcess(tmp_path / "clickhouse").start()
    yield started
    started.kill()


def test_what_came_while_clickhouse_was_away_is_there_afterwards_once(
    tmp_path: Path, kafka: Any, server: ServerProcess
) -> None:
    password = SecretStr(PASSWORD)
    with installed(tmp_path, kafka.address, clickhouse=server.url, writer_password=password) as ours:
        (worker,) = ours.start("warehouse")
        ours.start()
        with ours.feed(people=40, rounds=30, every=0.3) as feed:
            time.sleep(2)
            server.kill()
            producer = Producer({"bootstrap.servers": kafka.address})
            for number, one in enumerate(POISON):
                producer.produce(topic_name(ours.settings, "touchpoints"), one, partition=number % 4)
            assert producer.flush(10) == 0
            time.sleep(AWAY)
            server.start()
            feed.wait()
        ours.settle()
        told = ours.audit()
        count = sum(map(len, accepted(ours.settings)))
        reader = connect_to(ours.settings, server.url)

        def ask(sql: str) -> Any:
            return reader.query(sql).result_rows[0][0]

        wait_for(lambda: ask("SELECT count() FROM touchpoint_log FINAL") == count, 40)
        wait_for(lambda: ask("SELECT count() FROM profiles") == len(told.profiles), 40)
        wait_for(lambda: ask("SELECT count() FROM rejected") == len(POISON), 40)
        assert ask("SELECT uniqExact(partition, offset, index) FROM touchpoint_log FINAL") == count
        assert worker.process.poll() is None
