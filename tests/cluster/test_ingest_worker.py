"""`rapport worker ingest` answers as the embedded collector does; what it has answered with 200 is on Kafka."""

import os
import resource
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.partitioner import murmur2
from hypothesis import HealthCheck, given
from hypothesis import settings as effort

from schemas.identifiers import profile_id
from services.ingest.sources import Limits
from services.runtime.clock import wall
from services.runtime.kafka import topic_plan, topics
from services.runtime.settings import Settings
from tests.cluster.collecting import IngestWorker, collecting, lying
from tests.cluster.engines import wait_for
from tests.cluster.followups import PARTITIONS, forget, installation
from tests.ingest.ingest_platform import SOURCES, Platform
from tests.ingest.test_tracking_fuzz import batches, dumped
from tests.ingest.test_tracking_verdicts import ONE_OF_EACH, ORDER

KEPT = {"name", "write_key", "trusted", "channel", "identifiers", "rate"}


def configured(settings: Settings) -> None:
    """The sources of the embedded collector's tests."""
    import yaml

    said = [source.model_dump(mode="json", include=KEPT, exclude_defaults=True) for source in SOURCES]
    (settings.config / "sources.yaml").write_text(yaml.safe_dump({"sources": said}))


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, kafka: Any, redis_server: Any) -> Iterator[IngestWorker]:
    """A collector that all tests share."""
    folder = tmp_path_factory.mktemp("ingest")
    settings = installation(kafka.address, redis_server.url, folder, clickhouse="http://127.0.0.1:9")
    configured(settings)
    forget(settings)
    with collecting(settings, folder) as started:
        yield started


@pytest.fixture(scope="module")
def embedded() -> Platform:
    """The collector that it is compared with."""
    return Platform(Limits())


def plain(answer: Any) -> Any:
    """An answer without ids that were made, which are random."""
    said = answer.json()
    for item in said.get("items", []):
        if len(item.get("messageId", "")) == 36 or item.get("messageId", "").startswith("made-"):
            item["messageId"] = "made"
    return answer.status_code, said


@pytest.mark.parametrize("key", ["key-web", "key-shop", "no-key", ""])
def test_it_gives_the_same_verdicts_as_the_embedded_collector(
    worker: IngestWorker, embedded: Platform, key: str
) -> None:
    embedded.now = wall()
    requests: list[tuple[str, Any]] = [(f"/v1/{call['type']}", call) for call in ONE_OF_EACH]
    requests += [("/v1/track", ORDER), ("/v1/track", ORDER), ("/v1/batch", {"batch": ONE_OF_EACH * 2})]
    requests += [("/v1/track", b"{"), ("/v1/track", b"[]"), ("/v1/batch", {"batch": [{}] * 3}), ("/v1/batch", b"\xff")]
    requests += [("/v1/track", ORDER | {"properties": {"x": "y" * 40_000}}), ("/v1/import", {"batch": [ORDER]})]
    for path, body in requests:
        assert plain(worker.post(path, body, key)) == plain(embedded.post(path, body, key)), (path, str(body)[:200])


@effort(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches)
def test_it_gives_the_same_verdicts_on_whatever_comes(worker: IngestWorker, embedded: Platform, body: Any) -> None:
    embedded.now = wall()
    text = dumped(body, True)
    assert plain(worker.post("/v1/batch", text)) == plain(embedded.post("/v1/batch", text))


def test_every_accepted_line_lies_where_kafkas_own_hash_says(worker: IngestWorker) -> None:
    calls = [{"type": "track", "event": "Placed", "userId": f"user {n} ü"} for n in range(300)]
    for at in range(0, 300, 100):
        assert worker.post("/v1/batch", {"batch": calls[at : at + 100]}).json()["accepted"] == 100
    found = list(lying(worker.settings, "touchpoints", PARTITIONS))
    assert {line["anchor"] for _, line in found if line["event"] == "Placed"} == {
        f"user_id:user {n} ü" for n in range(300)
    }
    for partition, line in found:
        key = profile_id(line["workspace"], line["anchor"])
        assert (murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS == partition
    assert len({partition for partition, _ in found}) == PARTITIONS


def test_profiles_come_from_redis_and_what_a_cluster_cannot_do_says_what_can_be_done(worker: IngestWorker) -> None:
    assert worker.http.get("/v1/profiles/by/email/ann@example.com").json()["identifiers"] == ["email:ann@example.com"]
    stream = worker.http.get("/v1/streams/profiles")
    assert (stream.status_code, stream.json()["code"]) == (501, "read_kafka")
    assert f"{worker.settings.kafka_prefix}profiles" in stream.json()["message"]
    assert "docs/topics.md" in stream.json()["message"]
    assert worker.http.get("/v1/streams/cells").status_code == 404
    for command in ("rebuild", "backfill"):
        order = {"command": command, "argument": "", "who": "test"}
        refused = worker.http.post("/v1/admin/commands", json=order, headers={"authorization": "Bearer adm"})
        assert (refused.status_code, refused.json()["code"]) == (501, "not_built")
        assert "`rapport up` on one machine can" in refused.json()["message"]
    order = {"command": "resend", "argument": "k", "who": "test"}
    assert worker.http.post("/v1/admin/commands", json=order, headers={"authorization": "Bearer no"}).status_code == 401
    assert worker.http.post("/v1/admin/commands", json=order, headers={"authorization": "Bearer adm"}).is_success
    assert [line["command"] for _, line in lying(worker.settings, "commands", 1)] == ["resend"]
    assert 'rapport_ingest_items_total{source="web"' in worker.http.get("/metrics").text


def test_a_full_disk_means_nothing_to_it(tmp_path: Path, kafka: Any, redis_server: Any) -> None:
    settings = installation(kafka.address, redis_server.url, tmp_path)
    no_room = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # noqa: E731
    with collecting(settings, tmp_path, no_room) as worker:
        assert worker.post("/v1/track", ORDER).json()["accepted"] == 1
        assert worker.post("/v1/track", b"junk").status_code == 400
        assert worker.http.get("/metrics").is_success
        written = [link for link in _written(worker.process.pid) if os.path.isfile(link)]
        assert not written, "it holds no file that it could write"
        assert not settings.data.exists()


def _written(pid: int) -> Iterator[str]:
    """What the process holds open for writing."""
    for name in os.listdir(f"/proc/{pid}/fd"):
        with open(f"/proc/{pid}/fdinfo/{name}") as info:
            flags = int(info.read().split("flags:")[1].split()[0], 8)
        if flags & (os.O_WRONLY | os.O_RDWR):
            yield os.readlink(f"/proc/{pid}/fd/{name}")


class Clients(threading.Thread):
    """Sends one event after another, and remembers how each was answered."""

    def __init__(self, worker: IngestWorker, name: str):
        super().__init__(daemon=True)
        self.worker, self.prefix, self.ended = worker, name, threading.Event()
        self.answered: dict[str, int] = {}
        self.hints: Counter[str] = Counter()

    def run(self) -> None:
        number = 0
        while not self.ended.is_set():
            number += 1
            found = self.worker.post(
                "/v1/track", ORDER | {"messageId": f"{self.prefix}{number}", "userId": f"u{number}"}
            )
            self.answered[f"{self.prefix}{number}"] = found.status_code
            if found.status_code != 200:
                self.hints[found.headers.get("retry-after", "")] += 1
                time.sleep(0.05)


def test_while_kafka_is_away_clients_are_told_to_come_again_and_nothing_answered_is_lost(
    tmp_path: Path, own_kafka: Any, own_redis: Any
) -> None:
    settings = installation(own_kafka.address, own_redis.url, tmp_path)
    client = topics.administrator(settings)
    topic_plan.apply(client, settings, topic_plan.plan(client, settings))
    forget(settings)
    (broker,) = own_kafka.brokers
    with collecting(settings, tmp_path) as worker:
        clients = [Clients(worker, name) for name in "abcd"]
        for one in clients:
            one.start()
        wait_for(lambda: all(len(one.answered) > 20 for one in clients), 20)
        broker.process.kill()
        wait_for(lambda: all(one.hints for one in clients), 40)
        assert any("Kafka" in reason and "nothing is accepted" in reason for reason in worker.reasons())
        broker.restart()
        wait_for(lambda: worker.post("/v1/track", ORDER).status_code == 200, 40)
        before = [len(one.answered) for one in clients]
        wait_for(lambda: all(len(one.answered) > n + 20 for one, n in zip(clients, before, strict=True)), 20)
        for one in clients:
            one.ended.set()
            one.join(40)
        wait_for(lambda: not worker.reasons(), 10)
        own_redis.process.kill()
        wait_for(lambda: worker.reasons(), 20)
        assert worker.http.get("/v1/profiles/by/user_id/ann").status_code == 503
        assert worker.post("/v1/track", ORDER | {"messageId": "without Redis"}).status_code == 200
        own_redis.start()
        wait_for(lambda: not worker.reasons(), 20)
        assert worker.http.get("/v1/profiles/by/user_id/nobody").status_code == 404
    answered = {message: status for one in clients for message, status in one.answered.items()}
    assert set(answered.values()) == {200, 503}
    assert not {hint for one in clients for hint in one.hints} & {"", "0"}, "each says when to come again"
    there = {line["message_id"] for _, line in lying(settings, "touchpoints", PARTITIONS)}
    assert {message for message, status in answered.items() if status == 200} <= there
