"""Two engines, one answer: the same touchpoints through the embedded engine, and through Kafka, Faust and Redis."""

import asyncio
import difflib
import uuid
from pathlib import Path
from typing import Any

from services.configuration import load_config
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

PEOPLE, ROUNDS = 500, 40
MINUTE = 60_000  # ms: until then everything is due that the configuration's times make due


def configured(folder: Path) -> Path:
    """The configuration folder."""
    for name, text in CONFIG.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "config"


def test_both_engines_tell_the_same_byte_for_byte(tmp_path: Path, kafka: Any, redis_server: Any) -> None:
    config_folder = configured(tmp_path)
    config = load_config(config_folder)
    settings = Settings(
        kafka=kafka.address, redis=f"{redis_server.url}", kafka_prefix=f"two-{uuid.uuid4().hex[:8]}-", partitions=8,
        replication=1, config=config_folder, data=tmp_path / "data", dedup_days=7,
    )  # fmt: skip
    make_topics(settings)
    redis, log, rounds = connect(settings), Log(settings), []
    with workers(settings, tmp_path, 3):
        began = wall()
        for some in planned(1, PEOPLE, ROUNDS, config.identity):
            rounds.append(list(stamped(some, wall())))
            log.write(rounds[-1])
            until_quiet(settings, redis)
        due = wall() + MINUTE
        wait_for(lambda: wall() > due and nothing_due(settings, redis, due), 90)
        until_quiet(settings, redis)
    live = {(rule.workspace, rule.name): began for rule in config.rules}
    embedded = Embedded(tmp_path, config, live, settings.dedup_days)
    asyncio.run(embedded.run(rounds))
    told = embedded.told()
    ours = answers(embedded.published, told)
    theirs = answers(lambda topic: published(settings, topic), told)
    for topic in told:
        diff = list(difflib.unified_diff(ours[topic], theirs[topic], "embedded", "distributed", n=0, lineterm=""))
        assert not diff, f"{topic}: {len(diff)} lines differ\n" + "\n".join(diff[:20])
        assert ours[topic], topic
