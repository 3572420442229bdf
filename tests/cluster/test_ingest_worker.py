"""`rapport worker ingest` answers as the embedded collector does; what it has answered with 200 is on Kafka."""

import os
import resource
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
from services.runtime.settings import Settings
from tests.cluster.collecting import IngestWorker, collecting, lying
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
