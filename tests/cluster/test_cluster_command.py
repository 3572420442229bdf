"""`rapport cluster`: up, status and down, with real services; what was killed, what is taken, what was left."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from confluent_kafka.admin import AdminClient, NewTopic
from typer.testing import CliRunner, Result

from services.commands.application import app
from services.runtime.cluster import record
from services.runtime.cluster.addresses import free_ports
from services.runtime.cluster.kafka import QUICK
from tests.e2e.running import RAPPORT, eventually

ANY_PORTS = ("--port", "0", "--kafka-port", "0", "--redis-port", "0", "--clickhouse-port", "0")
START = 180.0


class Up:
    """`rapport cluster up` on a folder, as a user starts it."""

    def __init__(self, folder: Path, *options: str):
        self.folder, self.said = folder, folder.with_suffix(".said")
        with self.said.open("wb") as said:
            command = [*RAPPORT, "cluster", "up", "--data", str(folder), *ANY_PORTS, *options]
            environment = os.environ | {"JAVA_TOOL_OPTIONS": " ".join(QUICK)}
            self.process = subprocess.Popen(command, env=environment, stdout=said, stderr=said, start_new_session=True)

    def until(self, text: str) -> None:
        """Wait until it has said this."""
        eventually(lambda: text in self.said.read_text() or self.process.poll() is not None, START)
        assert text in self.said.read_text()

    def ended(self) -> int:
        """Its exit status, when it has ended by itself."""
        return self.process.wait(START)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster's folder, in which nothing is left running."""
    found = tmp_path_factory.mktemp("cluster") / "data"
    yield found
    run("down", "--data", str(found))


def run(*words: str) -> Result:
    """`rapport cluster …`."""
    return CliRunner().invoke(app, ["cluster", *words], catch_exceptions=False)


def status(folder: Path) -> dict[str, Any]:
    return dict(json.loads(run("status", "--json", "--data", str(folder)).stdout))


def look_up(url: str) -> Any:
    """What is there; None when nothing is."""
    answer = httpx.get(url, timeout=60)
    return answer.json() if answer.status_code == 200 else None


def test_what_a_killed_cluster_left_is_stopped_and_data_outlive_the_end_of_a_service(folder: Path) -> None:
    first = Up(folder, "--services-only")
    eventually(lambda: record.left_running(folder), START)
    first.process.kill()
    first.process.wait()
    (left,) = record.left_running(folder)
    assert left.name == "kafka-1" and run("status", "--data", str(folder)).exit_code == 1

    second = Up(folder, "--services-only")
    second.until("The cluster is up")
    assert "stopping kafka-1, left by a cluster that was killed" in second.said.read_text()
    told = status(folder)
    assert told["up"] == second.process.pid and set(told["processes"]) == {"kafka-1", "redis", "clickhouse"}
    redis.Redis.from_url(told["redis"]).set("name", "Ann")
    kafka = AdminClient({"bootstrap.servers": told["kafka"], "log_level": 0})
    kafka.create_topics([NewTopic("orders", 1, 1)])["orders"].result(30)
    os.kill(told["processes"]["redis"], signal.SIGKILL)
    assert second.ended() == 1
    assert "redis ended unexpectedly, so everything was stopped; its log" in second.said.read_text()
    assert record.left_running(folder) == []


def test_a_cluster_has_its_data_again_makes_people_of_touchpoints_and_goes_down(folder: Path) -> None:
    up = Up(folder, "--partitions", "2")
    up.until("The cluster is up")
    told = status(folder)
    assert redis.Redis.from_url(told["redis"], decode_responses=True).get("name") == "Ann"
    assert "orders" in AdminClient({"bootstrap.servers": told["kafka"]}).list_topics(timeout=30).topics
    assert (folder / "cluster.json").stat().st_mode & 0o777 == 0o600

    call = {"userId": "ann", "event": "Order Completed"}
    sent = httpx.post(f"{told['api']}/v1/track", json=call, auth=("demo-web", ""), timeout=60)
    assert sent.json()["accepted"] == 1
    assert eventually(lambda: look_up(f"{told['api']}/v1/profiles/by/user_id/ann"), START)["events"] == {
        call["event"]: 1
    }
    counted = f"{told['clickhouse']}/?query=SELECT+count()+AS+n+FROM+touchpoints+HAVING+n>0+FORMAT+JSON"
    assert eventually(lambda: look_up(counted)["data"], START) == [{"n": 1}]

    again = run("up", "--data", str(folder))
    assert again.exit_code == 1 and f"runs already in {folder} (process {up.process.pid})" in again.stderr
    taken = told["redis"].rpartition(":")[2].partition("/")[0]
    other = run("up", "--data", str(folder.with_name("other")), "--kafka-port", "0", "--redis-port", taken)
    assert other.exit_code == 1 and f"port {taken} cannot be had (Address already in use)" in other.stderr
    assert "--redis-port" in other.stderr

    assert run("down", "--data", str(folder)).exit_code == 0
    assert up.ended() == 0 and "stopped; everything is in" in up.said.read_text()
    assert record.left_running(folder) == []
    assert "nothing runs in" in run("down", "--data", str(folder)).stderr


def test_a_folder_without_a_cluster_says_how_to_start_one(tmp_path: Path) -> None:
    asked = run("status", "--data", str(tmp_path))
    assert asked.exit_code == 1 and f"rapport cluster up --data {tmp_path}" in asked.stderr
    (tmp_path / "cluster.json").write_text('{"parent": "nonsense"}')
    assert run("status", "--data", str(tmp_path)).exit_code == 1
    assert run("down", "--data", str(tmp_path)).exit_code == 0


def test_the_port_of_each_broker_must_be_free(tmp_path: Path) -> None:
    first = free_ports(1)[0]
    with socket.create_server(("127.0.0.1", first + 2)):
        asked = run("up", "--data", str(tmp_path / "c"), "--brokers", "3", "--kafka-port", str(first))
    assert asked.exit_code == 1 and f"port {first + 2} cannot be had" in asked.stderr
    assert "--kafka-port" in asked.stderr
