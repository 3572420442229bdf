"""Warehouse workers on Kafka: each line a row once, whatever is killed, and the same views as embedded."""

import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from pydantic import SecretStr

from services.errors import RapportError
from services.runtime.clickhouse_writer import connect
from services.runtime.settings import Settings
from services.runtime.warehouse import migrations
from services.runtime.warehouse.watermark_table import WatermarkTable
from services.runtime.warehouse.watermarks import Place, Watermark
from tests.cluster.running import Address, Warehouse
from tests.cluster.warehouse_workers import Worker, Workers, until
from tests.warehouse.server_process import ServerProcess
from tests.warehouse.warehouse_lines import NOW, line, touchpoint
from tests.warehouse.warehouse_process import WarehouseProcess

PLACES = {"incarnation", "partition", "offset", "index", "replay_id"}  # where a row came from
VIEWS = ("touchpoints", "profiles", "identity_map", "identity_changes", "audience_changes", "actions", "rejected")


@pytest.fixture
def workers(kafka: Address, clickhouse_server: Warehouse) -> Iterator[Workers]:
    """Topics of their own on a warehouse that the tests share: each looks at its own workspace."""
    workers = Workers(kafka.address, clickhouse_server.url, clickhouse_server.writer_password)
    yield workers
    workers.close()


def touchpoints(workspace: str, first: int, count: int) -> list[bytes]:
    return [touchpoint(n, workspace=workspace) for n in range(first, first + count)]


def spread(workers: Workers, workspace: str, first: int, frames: int, size: int = 10) -> None:
    """So many frames of touchpoints over the three partitions, person by person in one of them."""
    for frame in range(frames):
        workers.publish("touchpoints", frame % 3, touchpoints(workspace, first + frame * size, size))


def each_once(workers: Workers, workspace: str, count: int) -> None:
    """Wait until so many touchpoints are there; each is, once."""
    asked = f"SELECT count(), uniqExact(message_id) FROM touchpoints WHERE workspace = '{workspace}'"
    until(lambda: workers.rows(asked)[0][1] >= count)
    assert workers.rows(asked) == [[count, count]]


def ready(worker: Worker) -> int:
    """The status of /readyz."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/readyz", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def published() -> dict[str, list[bytes]]:
    """Lines of every kind, of the workspace `same`."""
    people = [f"p{n}" for n in range(9)]
    own: dict[str, Any] = {"workspace": "same"}
    return {
        "touchpoints": touchpoints("same", 0, 90),
        "duplicates": [line("duplicates", **own, message_id="m3", anchor="user_id:u3", partition=0, offset=0, index=3)],
        "membership": [
            line("membership", **own, identifier=f"email:{n % 5}@x.example", owner=people[n], version=n, cause="m1")
            for n in range(9)
        ],
        "profiles": [
            line("profiles", **own, profile_id=one, version=version, identifiers=[f"a:{one}"], touchpoints=version)
            for version in (1, 2)
            for one in people
        ],
        "identity-changes": [
            line("identity-changes", **own, profile_id="p1", kind="merged", into="p2", identifiers=["a:1"], at=NOW)
        ],
        "audience-changes": [
            line("audience-changes", **own, profile_id=one, audience="big", change="entered", at=NOW, cause="m4")
            for one in people
        ],
        "actions": [
            line("actions", **own, key=f"k{n}", rule="r", profile_id=one, at=NOW + n, kind="webhook")
            for n, one in enumerate(people)
        ],
        "deliveries": [line("deliveries", **own, key="k3", status="sent", at=NOW + 9, attempt=1)],
        "rejected": [line("rejected", **own, source="shop", code="size", reason="large", received_at=NOW, body="{}")],
    }  # fmt: skip


def shown(ask: Any, view: str) -> Counter[str]:
    """The rows of a view, without where they came from."""
    (names,) = zip(
        *ask(f"SELECT name FROM system.columns WHERE database = 'rapport' AND table = '{view}'"), strict=True
    )
    columns = ", ".join(f"toString(`{name}`)" for name in names if name not in PLACES)
    return Counter(str(row) for row in ask(f"SELECT {columns} FROM {view} WHERE workspace = 'same'"))


def test_two_workers_share_the_work_and_views_are_those_of_the_embedded_warehouse(
    workers: Workers, warehouse: WarehouseProcess
) -> None:
    lines = published()
    pair = [workers.worker(), workers.worker()]
    until(lambda: len(workers.shared()) == 2 and min(workers.shared()) > 10)
    for topic, some in lines.items():
        for partition in range(3) if topic not in ("profiles", "membership", "duplicates") else (0,):
            own = some[partition::3] if topic not in ("profiles", "membership", "duplicates") else some
            if topic == "touchpoints":  # what the verdict of `duplicates` names stays where it is
                own = some[:30] if partition == 0 else some[30 * partition : 30 * partition + 30]
            workers.publish(topic, partition, own)
        for n in range(3) if topic == "touchpoints" else (0,):
            warehouse.publish(topic, some[30 * n : 30 * n + 30] if topic == "touchpoints" else some)
        warehouse.caught_up(topic)
    for view in VIEWS:
        expected = shown(warehouse.rows, view)
        assert expected
        until(lambda view=view, expected=expected: shown(workers.rows, view) == expected)
    partitions = workers.rows("SELECT DISTINCT `partition` FROM touchpoint_log WHERE workspace = 'same' ORDER BY 1")
    assert partitions == [[0], [1], [2]]
    assert pair[0].stop() == 0  # leaves the group at once: the other one takes over what it had
    spread(workers, "later", 0, 6)
    each_once(workers, "later", 60)
    assert pair[1].stop() == 0


@pytest.mark.parametrize(
    "step", ["before the insert", "after the insert", "before the watermark", "after the watermark"]
)
def test_a_worker_that_is_killed_at_any_step_loses_and_doubles_nothing(workers: Workers, step: str) -> None:
    workspace = step.replace(" ", "-")
    spread(workers, workspace, 0, 6)
    dying = workers.worker(step)
    dying.last_words()
    assert dying.child.returncode == -9
    spread(workers, workspace, 60, 6)
    worker = workers.worker()
    each_once(workers, workspace, 120)
    assert worker.stop() == 0


def test_while_clickhouse_is_away_a_worker_waits_and_then_goes_on(kafka: Address, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path).start()
    workers = Workers(kafka.address, server.url, server.password)
    worker = workers.worker()
    spread(workers, "away", 0, 3)
    each_once(workers, "away", 30)
    assert ready(worker) == 200
    server.kill()
    spread(workers, "away", 30, 6)
    until(lambda: ready(worker) == 503)
    server.start()
    each_once(workers, "away", 90)
    until(lambda: ready(worker) == 200)
    assert worker.stop() == 0
    assert server.stop() == 0


def test_a_topic_that_was_made_anew_stops_the_worker_with_what_to_do(workers: Workers) -> None:
    worker = workers.worker()
    spread(workers, "anew", 0, 3)
    each_once(workers, "anew", 30)
    assert worker.stop() == 0
    name = workers.name("touchpoints")
    workers.administrator.delete_topics([name])[name].result(30)
    until(lambda: name not in workers.administrator.list_topics(timeout=10).topics)
    workers.make_topics()
    stopped = workers.worker()
    said = stopped.last_words()
    assert stopped.child.returncode == 1
    assert "the topic touchpoints was made anew" in said
    assert "ALTER TABLE warehouse_watermarks DELETE WHERE topic = 'touchpoints'" in said
    forget = "ALTER TABLE warehouse_watermarks DELETE WHERE topic = 'touchpoints'"
    workers.writer.command(forget, settings={"mutations_sync": 1})
    worker = workers.worker()
    spread(workers, "anew", 30, 3)
    each_once(workers, "anew", 60)  # the old rows stay
    assert worker.stop() == 0


def test_a_log_that_begins_after_what_was_read_stops_the_worker(workers: Workers) -> None:
    worker = workers.worker()
    spread(workers, "trimmed", 0, 3)
    each_once(workers, "trimmed", 30)
    assert worker.stop() == 0
    spread(workers, "trimmed", 30, 6)
    (trimmed,) = workers.administrator.delete_records([TopicPartition(workers.name("touchpoints"), 1, 2)]).values()
    trimmed.result(30)
    stopped = workers.worker()
    assert "touchpoints, partition 1, begins at offset 2, but the warehouse has read up to 1" in stopped.last_words()
    assert stopped.child.returncode == 1


def test_a_watermark_never_goes_back_whoever_notes_it_late(workers: Workers) -> None:
    migrations.apply(workers.writer)
    marks = WatermarkTable(workers.writer)
    place = Place("some-topic", 7)
    for offset in (5, 9, 3):
        marks.advance({place: Watermark("life", offset), Place("some-topic"): Watermark("life", 1)})
    assert {k: v for k, v in marks.all().items() if k.topic == "some-topic"} == {
        place: Watermark("life", 9), Place("some-topic"): Watermark("life", 1)
    }  # fmt: skip


def test_without_a_password_or_a_server_it_is_said_what_is_missing() -> None:
    with pytest.raises(RapportError, match="set RAPPORT_WRITER_PASSWORD"):
        connect(Settings())
    with pytest.raises(RapportError, match="is it up"):
        connect(Settings(clickhouse="http://127.0.0.1:1", writer_password=SecretStr("x")))
