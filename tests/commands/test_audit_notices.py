"""The audit on a real platform: one row missing or doubled, in any of its stores, and it says where and exits 1."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.identifiers import account_id
from tests.commands.using_rapport import Command, unbalanced
from tests.e2e.running import Platform

FILES = {"log": "log.db", "engine": "state.db", "ledger": "ledger.db"}
TOPICS = [
    ("log", "touchpoints"), ("log", "rejected"), ("engine", "duplicates"), ("engine", "audience-changes"),
    ("engine", "identity-changes"), ("engine", "actions"), ("ledger", "deliveries"),
]  # fmt: skip


@contextmanager
def changed(path: Path, table: str, where: str, **columns: Any) -> Iterator[None]:
    """One row of a SQLite file with these columns, or without the row when none are given; then as it was."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as db:
        row = db.execute(f"SELECT * FROM {table} WHERE {where} LIMIT 1").fetchone()
        names = [column[1] for column in db.execute(f"PRAGMA table_info({table})")]
        keys = " AND ".join(f'"{name}" IS ?' for name in names)
        db.execute(f"DELETE FROM {table} WHERE {keys}", row)
        other = [columns.get(name, value) for name, value in zip(names, row, strict=True)]
        marks = ",".join("?" * len(names))
        if columns:
            db.execute(f"INSERT INTO {table} VALUES ({marks})", other)
        try:
            yield
        finally:
            if columns:
                db.execute(f"DELETE FROM {table} WHERE {keys}", other)
            db.execute(f"INSERT INTO {table} VALUES ({marks})", row)


def frame(path: Path, topic: str) -> tuple[int, list[bytes]]:
    """The first frame of a topic: its offset and lines."""
    with closing(sqlite3.connect(path)) as db:
        offset, body = db.execute(
            "SELECT offset, body FROM frames WHERE topic = ? ORDER BY offset", (topic,)
        ).fetchone()
        return offset, body.split(b"\n")


@pytest.mark.parametrize(("store", "topic"), TOPICS)
@pytest.mark.parametrize("change", ["missing", "doubled", "altered"])
def test_a_message_of_a_topic(up: Platform, rapport: Command, store: str, topic: str, change: str) -> None:
    path = up.data / FILES[store]
    offset, lines = frame(path, topic)
    other = {"missing": lines[1:], "doubled": [*lines, lines[0]], "altered": [lines[0] + b" ", *lines[1:]]}[change]
    where = f"topic = '{topic}' AND offset = {offset}"
    columns = {"count": len(other), "body": b"\n".join(other)} if other else {}
    with changed(path, "frames", where, **columns):
        assert f"{topic}: content" in unbalanced(rapport)
    assert not unbalanced(rapport)


def test_a_record_of_the_fold(up: Platform, rapport: Command) -> None:
    with changed(up.data / FILES["engine"], "records_fold", "length(value) > 300"):
        assert unbalanced(rapport) == {"received = accepted + duplicates", "accepted touchpoints"}


def test_a_person(up: Platform, rapport: Command) -> None:
    with changed(up.data / FILES["engine"], "records_assemble", "length(value) > 300"):
        assert unbalanced(rapport) == {"accepted touchpoints", "people", "people: content"}


def test_a_person_twice(up: Platform, rapport: Command) -> None:
    path = up.data / FILES["engine"]
    with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as db:
        one = "SELECT key || '2', value FROM records_assemble WHERE length(value) > 300 LIMIT 1"
        db.execute(f"INSERT INTO records_assemble {one}")
        try:
            assert unbalanced(rapport) == {"accepted touchpoints", "people", "people: content"}
        finally:
            db.execute("DELETE FROM records_assemble WHERE key LIKE '%2' AND length(key) = 34")


ACME = f"key = '{account_id('main', 'acme')}'"


def test_an_account(up: Platform, rapport: Command) -> None:
    with changed(up.data / FILES["engine"], "records_accounts", ACME):
        assert unbalanced(rapport) == {"touchpoints for accounts", "accounts", "accounts: content"}
    assert not unbalanced(rapport)


def test_an_account_twice(up: Platform, rapport: Command) -> None:
    with closing(sqlite3.connect(up.data / FILES["engine"], isolation_level=None, timeout=20)) as db:
        db.execute(f"INSERT INTO records_accounts SELECT key || '2', value FROM records_accounts WHERE {ACME}")
        try:
            assert unbalanced(rapport) == {"touchpoints for accounts", "accounts", "accounts: content"}
        finally:
            db.execute("DELETE FROM records_accounts WHERE length(key) = 34")


def test_an_account_that_is_not_what_is_shown(up: Platform, rapport: Command) -> None:
    path = up.data / FILES["engine"]
    with closing(sqlite3.connect(path)) as db:
        (value,) = db.execute(f"SELECT value FROM records_accounts WHERE {ACME}").fetchone()
    other = msgspec.msgpack.encode(msgspec.msgpack.decode(value) | {"group": "Acme"})
    with changed(path, "records_accounts", ACME, value=other):
        assert unbalanced(rapport) == {"accounts: content"}


def person(path: Path, anchor: str) -> Any:
    """The record of the person who has this anchor, with its parts by name."""
    with closing(sqlite3.connect(path)) as db:
        records = [msgspec.msgpack.decode(value) for (value,) in db.execute("SELECT value FROM records_assemble")]
    return next(record for record in records if anchor in record["anchors"] and record["anchors"][anchor][2])


def test_a_computed_trait_that_is_not_what_is_shown(up: Platform, rapport: Command) -> None:
    path = up.data / FILES["engine"]
    found = person(path, "user_id:u1")
    sums = found["anchors"]["user_id:u1"][2]["sums"]
    (name,) = sums
    sums[name] = str(int(sums[name]) + 1)
    where = f"key = '{found['profile_id']}'"
    with changed(path, "records_assemble", where, value=msgspec.msgpack.encode(found)):
        assert unbalanced(rapport) == {"people: content"}
    assert not unbalanced(rapport)


def test_who_was_judged_by_other_definitions_is_compared_by_touchpoints_and_version(
    up: Platform, rapport: Command
) -> None:
    path = up.data / FILES["engine"]
    found = person(path, "user_id:u1")
    where = f"key = '{found['profile_id']}'"
    cell = found["anchors"]["user_id:u1"][2]
    before = found | {"judged": "others"}
    cell["sums"] = {name + "0": amount for name, amount in cell["sums"].items()}  # a trait of those definitions
    with changed(path, "records_assemble", where, value=msgspec.msgpack.encode(before)):
        assert not unbalanced(rapport)
    with changed(path, "records_assemble", where, value=msgspec.msgpack.encode(before | {"count": 10**6})):
        assert unbalanced(rapport) == {"people: content"}


def test_a_message_id_under_two_anchors_is_told_and_no_difference(up: Platform, rapport: Command) -> None:
    before = json.loads(rapport("audit", "--json").stdout)["conflicts"]
    for who in (("--anonymous", "c1"), ("--user", "c2")):
        assert rapport("send", "track", *who, "--event", "Seen", "--message-id", "of-both").exit_code == 0
    assert not unbalanced(rapport)
    assert json.loads(rapport("audit", "--json").stdout)["conflicts"] == before + 1
    assert "under several anchors" in rapport("audit").stdout
    listed = rapport("query", "SELECT anchors FROM conflicts WHERE message_id = 'of-both'", "--json").stdout
    assert json.loads(listed) == {"anchors": ["anonymous_id:c1", "user_id:c2"]}


def test_a_row_of_the_ledger(up: Platform, rapport: Command) -> None:
    with changed(up.data / FILES["ledger"], "sends", "key LIKE '%thanks%'"):
        assert unbalanced(rapport) == {"follow-ups", "follow-ups: keys", "follow-ups held"}
    with changed(up.data / FILES["ledger"], "sends", "key LIKE '%thanks%'", status="sent"):
        assert unbalanced(rapport) == {"follow-ups held", "follow-ups sent"}
