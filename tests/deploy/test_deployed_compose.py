"""compose.yaml: what Compose accepts, pinned, on loopback, bounded; its engines are set as the platform needs them."""

import base64
import json
import re
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import jsonschema_rs
import pytest

from services.runtime.warehouse.engine import _DEFAULTS, _GRANTS
from tests.deploy.deployed import DEPLOY, compose, texts, tool, workers_of

SERVICES: dict[str, Any] = compose()["services"]
OURS = {one.where.removeprefix("compose: ") for one in workers_of(SERVICES)}
every_service = pytest.mark.parametrize("name", SERVICES)


def test_compose_accepts_it() -> None:
    schema = tool("python/check_jsonschema/builtin_schemas/vendor/compose-spec.json").read_text(encoding="utf-8")
    checked = jsonschema_rs.validator_for(json.loads(schema))
    assert not [error.message for error in checked.iter_errors(compose())]
    assert list(checked.iter_errors({**compose(), "services": {"fold": {"commands": []}}}))


def test_every_image_is_pinned() -> None:
    for path, text in texts().items():
        named = re.findall(r"^\s*(?:image: |FROM )(\S+)", text, re.MULTILINE)
        images = [one for one in named if "{{" not in one]
        assert all(re.search(r":[^/]*\d", one) and not one.endswith(":latest") for one in images), path


@every_service
def test_a_service_is_reached_from_this_machine_only_and_takes_only_so_much(name: str) -> None:
    service = SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service and service.get("user", "1") not in ("0", "root")


@every_service
def test_a_service_says_how_it_is(name: str) -> None:
    told = SERVICES[name].get("healthcheck", {})
    assert name in OURS or told["test"][0].startswith("CMD")
    assert told != {"disable": True} or name == "topics"


@every_service
def test_what_a_service_waits_for_and_keeps_is_there(name: str) -> None:
    service = SERVICES[name]
    for other, wait in service.get("depends_on", {}).items():
        ends = wait["condition"] == "service_completed_successfully"
        assert other in SERVICES and ends == (other == "topics")
    for volume in service.get("volumes", []):
        source = volume.partition(":")[0]
        there = (DEPLOY / source).exists() if source.startswith(".") else source in compose()["volumes"]
        assert there, volume


@pytest.mark.parametrize("name", sorted(OURS - {"topics"}))
def test_a_worker_waits_for_what_it_needs_and_may_write_nowhere_else(name: str) -> None:
    service = SERVICES[name]
    assert {"topics", "redis"} <= service["depends_on"].keys()
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["restart"] == "unless-stopped"
    kept = [volume for volume in service["volumes"] if volume.endswith(":/data")]
    assert kept == (["delivery:/data"] if name == "delivery" else [])
    assert any(one.startswith("/data") for one in service["tmpfs"]) != bool(kept)


def test_redis_keeps_what_it_was_told() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes --appendfsync everysec" in command
    assert "--maxmemory-policy noeviction" in command
    assert "redis:/data" in SERVICES["redis"]["volumes"]


def test_kafka_makes_no_topic_by_itself_and_has_an_id_that_it_accepts() -> None:
    given = SERVICES["kafka"]["environment"]
    assert given["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert len(base64.urlsafe_b64decode(given["CLUSTER_ID"] + "==")) == 16


def test_clickhouse_is_of_the_version_that_is_embedded() -> None:
    asked = "import chdb; print(chdb.query('SELECT version()', 'TSV'))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
    embedded = done.stdout.strip().split(".")
    assert SERVICES["clickhouse"]["image"].rpartition(":")[2].split(".") == embedded[:2]


def test_clickhouse_has_the_users_and_settings_that_the_platform_counts_on() -> None:
    told = ElementTree.parse(DEPLOY / "clickhouse-server" / "users.d" / "rapport.xml").getroot()
    profile = {one.tag: one.text for one in told.findall("profiles/rapport/*")}
    assert profile == {name: str(value) for name, value in _DEFAULTS.items()}
    users = {one.tag: one for one in told.findall("users/*")}
    assert users.keys() == {"default", "writer", "reader"}
    assert users["default"].attrib == {"remove": "remove"}
    for name in ("writer", "reader"):
        (password,) = users[name].findall("password")
        variable = password.attrib["from_env"]
        assert variable == f"RAPPORT_{name.upper()}_PASSWORD" and not password.text
        assert variable in SERVICES["clickhouse"]["environment"]
    granted = {one.text for one in users["writer"].findall("grants/query")}
    assert set(_GRANTS[:2]) == granted
    assert not [one.text for one in users["reader"].findall("grants/query") if "INSERT" in str(one.text)]
    assert told.findtext("profiles/rapport_reader/readonly") == "2"
