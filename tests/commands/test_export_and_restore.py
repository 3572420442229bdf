"""What was exported makes the same people in an empty folder, in any order; and what is lost there is noticed."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.files import Files
from tests.commands.using_rapport import Command, unbalanced
from tests.e2e.running import Platform, platform

PEOPLE = "SELECT payload FROM profiles ORDER BY profile_id"


@pytest.fixture(scope="module")
def exported(up: Platform) -> list[bytes]:
    """An export of the platform that is up, line by line."""
    done = up.command("export", "-")
    assert done.exit_code == 0
    return done.stdout_bytes.splitlines()


@pytest.fixture(scope="module")
def restored(
    exported: list[bytes], config_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """A fresh platform with the export's lines in another order."""
    shuffled = list(exported)
    random.Random(7).shuffle(shuffled)
    with platform(tmp_path_factory.mktemp("fresh"), config_folder) as fresh:
        done = fresh.command("restore", "-", stdin=b"\n".join(shuffled))
        assert done.exit_code == 0, done.stderr
        yield fresh


def people(rapport: Command) -> list[dict[str, object]]:
    assert rapport("audit").exit_code == 0
    found = [json.loads(json.loads(line)["payload"]) for line in rapport("query", PEOPLE, "--json").stdout.splitlines()]
    return [{name: value for name, value in one.items() if name != "version"} for one in found]


def known_by(line: bytes) -> tuple[str, str]:
    """What makes a touchpoint the same one."""
    said = json.loads(line)
    return said["message_id"], said["anchor"]


def test_touchpoints_are_exported_byte_for_byte_and_without_duplicates(up: Platform, exported: list[bytes]) -> None:
    log = up.command("tail", "--no-follow", "--json").stdout_bytes.splitlines()
    lines = [line.removeprefix(b'{"touchpoint":')[:-1] for line in exported if line.startswith(b'{"touchpoint":')]
    assert set(lines) <= set(log) and len(set(lines)) == len(lines) < len(log)
    ids = [known_by(line) for line in lines]
    assert set(ids) == set(map(known_by, log)) and len(set(ids)) == len(ids)


def test_an_export_restored_in_any_order_makes_the_same_people(up: Platform, restored: Platform) -> None:
    assert people(restored.command) == people(up.command)


def test_restoring_again_doubles_nothing(exported: list[bytes], restored: Platform) -> None:
    rapport = restored.command
    before = people(rapport)
    assert rapport("restore", "-", stdin=b"\n".join(exported)).exit_code == 0
    assert people(rapport) == before


def test_an_export_that_is_not_whole_is_refused_unless_a_part_is_asked_for(
    exported: list[bytes], restored: Platform
) -> None:
    rapport = restored.command
    half = b"\n".join(exported[: len(exported) // 2])
    refused = rapport("restore", "-", stdin=half)
    assert refused.exit_code == 1 and "not whole" in refused.stderr
    assert rapport("restore", "-", "--partial", stdin=half).exit_code == 0
    for wrong in (b'{"touchpoint":{}}', b"{", b'{"touchpint":{}}', b'{"follow_up":{"v":1}}'):
        told = rapport("restore", "-", stdin=exported[0] + b"\n" + wrong)
        assert told.exit_code == 1 and "line 2" in told.stderr


SABOTAGE = """
import sys
from pathlib import Path
from services.runtime.warehouse.engine import Engine
engine = Engine(Path(sys.argv[1]))
for statement in sys.argv[2:]:
    engine.writer.command(statement)
engine.close()
"""
COPY = (
    "INSERT INTO {0} (incarnation, partition, offset, index, payload)"
    " SELECT incarnation, partition, offset, index + 77, payload FROM {0} LIMIT 1"
)
BESIDE = (
    "INSERT INTO {0} (incarnation, partition, offset, index, {1}) SELECT {2}, index, {1} FROM {0} ORDER BY 4 LIMIT 1"
)
DROP = "ALTER TABLE {0} DELETE WHERE {1} = (SELECT min({1}) FROM {0}) SETTINGS mutations_sync = 2"


def test_the_audit_notices_rows_of_the_warehouse_that_are_missing_or_doubled(restored: Platform) -> None:
    rapport = restored.command
    assert rapport("send", "track", "--event", "Lost").exit_code == 1
    assert rapport("send", "track", "--event", "Order Completed", "--user", "u1").exit_code == 0
    assert not unbalanced(rapport)
    restored.stop()
    warehouse = [sys.executable, "-c", SABOTAGE, str(Files(restored.data).clickhouse)]
    try:
        dropped = [DROP.format("touchpoint_log", "message_id"), DROP.format("profile_log", "profile_id")]
        beside = [
            BESIDE.format("touchpoint_log", "anchor_id, payload", "incarnation, partition, offset + 100000"),
            BESIDE.format("action_log", "payload", "'another', partition, offset"),
            BESIDE.format("identity_log", "identifier_id, payload", "incarnation, partition + 1, offset"),
        ]
        copied = [COPY.format("rejected_log"), COPY.format("delivery_log")]
        subprocess.run([*warehouse, *dropped, *copied, *beside], check=True)
    finally:
        restored.start()
    found = unbalanced(rapport)
    assert found >= {"touchpoints", "rejected", "deliveries", "people", "accepted touchpoints"}
    assert not found & {"duplicates", "actions", "follow-ups", "received = accepted + duplicates"}
    accounts = {one["title"]: one["figures"] for one in json.loads(rapport("audit", "--json").stdout)["accounts"]}
    strays = {topic: rows for topic, rows in accounts["rows that are in no file"].items() if rows}
    assert strays == {"touchpoints": 1, "actions": 1, "membership": 1}
