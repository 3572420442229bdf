"""Two engines, one answer: the same touchpoints through the embedded engine, and through Kafka, Faust and Redis."""

import asyncio
import difflib
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.configuration import load_config
from services.runtime.clickhouse_reader import connect_to
from services.runtime.clock import wall
from services.runtime.redis.connection import connect
from services.runtime.settings import Settings
from tests.cluster.engines import (
    Embedded,
    Log,
    answers,
    make_topics,
    nothing_due,
    published,
    until_quiet,
    wait_for,
    workers,
)  # fmt: skip
from tests.cluster.rounds import CONFIG, planned, stamped
from tests.warehouse.warehouse_process import WarehouseProcess

PEOPLE, ROUNDS = 500, 40
MINUTE = 60_000  # ms: until then everything is due that the configuration's times make due
VIEWS = (
    "touchpoints", "duplicates", "conflicts", "identity_map", "identity_changes", "profiles", "accounts",
    "audience_changes", "audiences", "actions",
)  # fmt: skip
OURS = 7  # the database of a shared Redis that this test may empty
PLACES = {"incarnation", "partition", "offset", "index"}  # where a row came from


def configured(folder: Path) -> Path:
    """The configuration folder."""
    for name, text in CONFIG.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "config"


def shown(rows: Callable[[str], list[list[Any]]], view: str) -> list[str]:
    """What analysts see in a view: its rows without their places, each as text."""
    columns = [name for name, *_ in rows(f"DESCRIBE TABLE {view}") if name not in PLACES]
    asked = ", ".join(f"toString(`{name}`)" for name in columns)
    return sorted(map(str, rows(f"SELECT DISTINCT {asked} FROM {view}")))


def differences(ours: list[str], theirs: list[str], what: str) -> str:
    """The first lines that differ, as a sentence; empty when none do."""
    found = list(difflib.unified_diff(ours, theirs, "embedded", "distributed", n=0, lineterm=""))
    return f"{what}: {len(found)} lines differ\n" + "\n".join(found[:20]) if found or not ours else ""


@pytest.fixture(scope="module")
def settings(
    tmp_path_factory: pytest.TempPathFactory, kafka: Any, redis_server: Any, clickhouse_server: Any
) -> Settings:
    """An installation of its own."""
    folder, server = tmp_path_factory.mktemp("two"), redis_server.url.rpartition("/")[0]
    return Settings(
        kafka=kafka.address, redis=f"{server}/{OURS}", kafka_prefix=f"two-{uuid.uuid4().hex[:8]}-", partitions=8,
        replication=1, config=configured(folder), data=folder, dedup_days=7, clickhouse=clickhouse_server.url,
        writer_password=SecretStr(clickhouse_server.writer_password),
    )  # fmt: skip


def test_both_engines_tell_the_same_byte_for_byte(settings: Settings) -> None:
    folder, config = settings.data, load_config(settings.config)
    make_topics(settings)
    redis, log, rounds = connect(settings), Log(settings), []
    with workers(settings, folder, 3):
        began = wall()
        for some in planned(1, PEOPLE, ROUNDS, config.identity):
            rounds.append(list(stamped(some, wall())))
            log.write(rounds[-1])
            until_quiet(settings, redis)
        due = wall() + MINUTE
        wait_for(lambda: wall() > due and nothing_due(settings, redis, due), 120)
        until_quiet(settings, redis)
    live = {(rule.workspace, rule.name): began for rule in config.rules}
    embedded = Embedded(folder, config, live, settings.dedup_days)
    asyncio.run(embedded.run(rounds))
    told = embedded.told()
    ours = answers(embedded.published, told)
    theirs = answers(lambda topic: published(settings, topic), told)
    assert not [wrong for topic in told if (wrong := differences(ours[topic], theirs[topic], topic))]
    rows_are_the_same(settings)


def same(ours: list[str], theirs: Callable[[], list[str]], what: str) -> None:
    """Wait until both are the same."""
    wait_for(lambda: theirs() == ours, 60, lambda: differences(ours, theirs(), what))


def rows_are_the_same(settings: Settings) -> None:
    """The embedded warehouse over the embedded engine's files, and a worker over Kafka's topics, show the same."""
    warehouse = WarehouseProcess(settings.data).start()
    reader = connect_to(settings, settings.clickhouse)
    there = lambda sql: [list(row) for row in reader.query(sql).result_rows]  # noqa: E731
    try:
        warehouse.caught_up()
        with workers(settings, settings.data, 1, "warehouse"):
            wait_for(lambda: [VIEWS[-1]] in there("SHOW TABLES"), 60)
            for view in VIEWS:
                same(shown(warehouse.rows, view), partial(shown, there, view), view)
    finally:
        warehouse.stop()
