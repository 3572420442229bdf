"""What analysts see: each touchpoint once, exact money, people as they are now; every table and column explained."""

import random
from decimal import Decimal
from typing import Any

import pytest

from schemas.identifiers import profile_id
from schemas.topics import TOPICS
from services.runtime.warehouse.writer import FEEDS
from tests.warehouse.warehouse_lines import NOW, line, touchpoint
from tests.warehouse.warehouse_process import WarehouseProcess

OBJECTS = 27  # tables and views, counted by hand


def published(warehouse: WarehouseProcess, topic: str, lines: list[bytes]) -> None:
    warehouse.publish(topic, lines)
    warehouse.caught_up(topic)


def test_every_topic_for_the_warehouse_has_its_table() -> None:
    assert set(FEEDS) == {name for name, topic in TOPICS.items() if "warehouse" in topic.consumers}


def test_every_table_and_column_is_explained(warehouse: WarehouseProcess) -> None:
    tables = "FROM system.tables WHERE database = 'rapport'"
    columns = "FROM system.columns WHERE database = 'rapport'"
    assert warehouse.one(f"SELECT count() {tables}") == OBJECTS
    assert warehouse.one(f"SELECT count() {columns}") > 200
    assert warehouse.rows(f"SELECT name {tables} AND comment = ''") == []
    assert warehouse.rows(f"SELECT table, name {columns} AND comment = ''") == []


def test_a_touchpoint_is_shown_with_everything_that_it_says(warehouse: WarehouseProcess) -> None:
    said = touchpoint(
        3, workspace="whole", original_timestamp=NOW - 5, sent_at=NOW + 1, group_id="g", previous="p", rules="r1",
        imported=True, identifiers=["user_id:u3", "email:ann@example.com"], traits={"name": "Ann"},
    )  # fmt: skip
    published(warehouse, "touchpoints", [said])
    shown = warehouse.rows(
        "SELECT event, type, channel, source, message_id, anchor, identifiers, toUnixTimestamp64Milli(timestamp),"
        " toUnixTimestamp64Milli(original_timestamp), toUnixTimestamp64Milli(sent_at),"
        " toUnixTimestamp64Milli(received_at), toUnixTimestamp64Milli(evidence_at), group_id, previous, rules,"
        " imported, restored, properties.total, traits.name, context.page.url, payload"
        " FROM touchpoints WHERE workspace = 'whole'"
    )
    assert shown == [
        [
            *("Order Completed", "track", "web", "shop", "m3", "user_id:u3", ["user_id:u3", "email:ann@example.com"]),
            *(NOW + 3, NOW - 5, NOW + 1, NOW + 3, NOW + 3, "g", "p", "r1", True, False, 0.03, "Ann", "/p0"),
            said.decode(),
        ]
    ]


def test_what_is_published_twice_is_shown_once_and_duplicates_not_at_all(warehouse: WarehouseProcess) -> None:
    published(warehouse, "touchpoints", [touchpoint(n, workspace="twice") for n in range(50)])
    offset, incarnation = warehouse.rows(
        "SELECT DISTINCT offset, incarnation FROM touchpoints WHERE workspace = 'twice'"
    )[0]
    verdict = line(
        "duplicates", workspace="twice", message_id="m3", anchor="user_id:u3", partition=0, offset=offset, index=3
    )
    published(warehouse, "duplicates", [verdict, verdict])
    published(warehouse, "duplicates", [verdict])
    assert warehouse.rows("SELECT offset, index, incarnation FROM duplicates WHERE workspace = 'twice'") == [
        [offset, 3, incarnation]
    ]
    shown = warehouse.rows("SELECT index FROM touchpoints WHERE workspace = 'twice' ORDER BY index")
    assert [index for (index,) in shown] == [n for n in range(50) if n != 3]
    assert warehouse.one("SELECT count() FROM touchpoint_log WHERE workspace = 'twice'") == 50


def test_a_message_id_under_several_anchors_is_a_conflict(warehouse: WarehouseProcess) -> None:
    anchors = {
        "m1": ["user_id:a", "anonymous_id:x", "user_id:a"],
        "m2": ["user_id:a"],
        "m3": ["user_id:a", "user_id:b"],
    }
    said = [(message_id, anchor) for message_id, some in anchors.items() for anchor in some]
    lines = [touchpoint(n, workspace="both", message_id=one, anchor=who) for n, (one, who) in enumerate(said)]
    published(
        warehouse, "touchpoints", [*lines, touchpoint(9, workspace="others", message_id="m2", anchor="user_id:b")]
    )
    conflicts = "SELECT message_id, anchors, touchpoints FROM conflicts WHERE workspace = 'both' ORDER BY message_id"
    three = ["m3", ["user_id:a", "user_id:b"], 2]
    assert warehouse.rows(conflicts) == [["m1", ["anonymous_id:x", "user_id:a"], 3], three]
    assert warehouse.rows("SELECT * FROM conflicts WHERE workspace = 'others'") == []
    (place,) = warehouse.rows("SELECT offset, index FROM touchpoints WHERE workspace = 'both' AND index = 1")
    about = {"workspace": "both", "message_id": "m1", "anchor": "anonymous_id:x", "partition": 0}
    published(warehouse, "duplicates", [line("duplicates", **about, offset=place[0], index=place[1])])
    assert warehouse.rows(conflicts) == [three]


def test_money_is_exact(warehouse: WarehouseProcess) -> None:
    cents = [random.Random(7).randrange(1, 10_000_000) for _ in range(2_000)]
    said = [{"total": n / 100} if n % 2 else {"revenue": n / 100, "total": 1} for n in cents]
    lines = [touchpoint(n, workspace="money", properties=one) for n, one in enumerate(said)]
    published(warehouse, "touchpoints", lines)
    exact = Decimal(sum(cents)) / 100
    assert Decimal(warehouse.one("SELECT sum(revenue) FROM touchpoints WHERE workspace = 'money'")) == exact
    idiom = "sum(toDecimal128OrNull(toString(properties.total), 9))"  # the comment of the column says it
    total = sum(Decimal(n) / 100 if n % 2 else 1 for n in cents)
    assert Decimal(warehouse.one(f"SELECT {idiom} FROM touchpoints WHERE workspace = 'money'")) == total


@pytest.mark.parametrize(
    ("said", "revenue"),
    [
        ({"revenue": "12.50"}, "12.5"),
        ({"revenue": 25}, "25"),
        ({"revenue": -3.5, "total": 1}, "-3.5"),
        ({"revenue": "n/a", "total": 19.99}, "19.99"),
        ({"total": 1e-7}, "0.0000001"),
        ({"total": {"amount": 5}}, None),
        ({"price": 5}, None),
    ],
)
def test_revenue_is_an_amount_or_nothing(warehouse: WarehouseProcess, said: dict[str, Any], revenue: str) -> None:
    workspace = f"revenue-{abs(hash(str(said)))}"
    published(warehouse, "touchpoints", [touchpoint(1, workspace=workspace, properties=said)])
    assert warehouse.one(f"SELECT revenue FROM touchpoints WHERE workspace = '{workspace}'") == revenue


@pytest.mark.parametrize(
    "properties",
    [
        b'{"a":1,"a":2}',
        b'{"a.b":1,"a":{"b":2}}',
        b'{"a":1e999}',
        b'{"a":"\xff\xfe"}',
        b'{"a":123456789012345678901234567890}',
        b'{"a":[1,"x",{"y":null},[2]],"":{"":0}}',
        b'{"a":"\\u0000"}',
        b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
        b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(3_000)) + b"}",
        b'{"a":"\\",\\"properties\\":{}","traits":{"x":1}}',
    ],
)
def test_no_properties_whatever_hide_the_rest(warehouse: WarehouseProcess, properties: bytes) -> None:
    workspace = f"hostile-{abs(hash(properties))}"
    said = touchpoint(5, workspace=workspace, properties={}).replace(b'"properties":{}', b'"properties":' + properties)
    assert properties in said
    published(warehouse, "touchpoints", [said])
    shown = warehouse.rows(
        "SELECT message_id, anchor, toUnixTimestamp64Milli(received_at), hex(payload)"
        f" FROM touchpoints WHERE workspace = '{workspace}'"
    )
    assert shown == [["m5", "user_id:u5", NOW + 5, said.hex().upper()]]


def test_the_past_follows_a_person_through_merges(warehouse: WarehouseProcess) -> None:
    own, other = profile_id("people", "user_id:u1"), profile_id("people", "user_id:u2")
    published(warehouse, "touchpoints", [touchpoint(n, workspace="people") for n in (1, 2)])
    people = "SELECT anchor, profile_id FROM touchpoints WHERE workspace = 'people' ORDER BY anchor"
    assert warehouse.rows(people) == [["user_id:u1", own], ["user_id:u2", other]]
    for version, owner in ((2, own), (1, other)):  # the higher version wins, whichever came last
        told = line("membership", workspace="people", identifier="user_id:u2", owner=owner, version=version)
        published(warehouse, "membership", [told])
    assert warehouse.rows(people) == [["user_id:u1", own], ["user_id:u2", own]]
    assert warehouse.rows("SELECT identifier, profile_id, version FROM identity_map WHERE workspace = 'people'") == [
        ["user_id:u2", own, 2]
    ]


def test_profiles_are_people_as_they_are_now(warehouse: WarehouseProcess) -> None:
    about = {"workspace": "now", "identifiers": ["user_id:u1"], "audiences": ["vip"], "first_seen": NOW}
    documents = [
        line("profiles", **about, profile_id="p1", version=2, touchpoints=2, computed={"spent": 7.25}, last_seen=NOW),
        line("profiles", **about, profile_id="p1", version=1, touchpoints=1),
        line("profiles", workspace="now", profile_id="p2", version=1, redirect="p1"),
        line("profiles", workspace="now", profile_id="p3", version=1, deleted=True),
    ]
    published(warehouse, "profiles", documents[:1])
    published(warehouse, "profiles", documents[1:])
    change = {"workspace": "now", "profile_id": "p1", "audience": "vip", "reason": "touchpoint", "cause": "m1"}
    published(warehouse, "audience-changes", [line("audience-changes", **change, change="entered", at=NOW)])
    assert warehouse.rows(
        "SELECT profile_id, touchpoints, version, computed.spent, identifiers, toUnixTimestamp64Milli(last_seen),"
        " payload FROM profiles WHERE workspace = 'now'"
    ) == [["p1", 2, 2, 7.25, ["user_id:u1"], NOW, documents[0].decode()]]
    assert warehouse.rows(
        "SELECT audience, profile_id, toUnixTimestamp64Milli(entered_at) FROM audiences WHERE workspace = 'now'"
    ) == [["vip", "p1", NOW]]
    assert warehouse.rows("SELECT change, reason, cause FROM audience_changes WHERE workspace = 'now'") == [
        ["entered", "touchpoint", "m1"]
    ]


def test_actions_show_what_became_of_them(warehouse: WarehouseProcess) -> None:
    action = {"workspace": "acts", "rule": "welcome", "step": 0, "kind": "email", "anchor": "user_id:u1"}
    cause = {"profile_id": "p1", "cause": "m1", "decided_at": NOW, "touchpoint": {"message_id": "m1"}}
    published(warehouse, "actions", [line("actions", **action, **cause, key=key) for key in ("a", "b")])
    told = {"workspace": "acts", "key": "a", "rule": "welcome", "kind": "email", "profile_id": "p1", "at": NOW}
    deliveries = [("failed", 1, "", "no route"), ("sent", 2, "ann@example.com", "")]
    for status, attempt, to, reason in deliveries:
        said = line("deliveries", **told, status=status, attempt=attempt, to=to, reason=reason)
        published(warehouse, "deliveries", [said])
    assert warehouse.rows(
        "SELECT key, status, attempts, recipient, reason, isNull(status_at) FROM actions WHERE workspace = 'acts'"
        " ORDER BY key"
    ) == [["a", "sent", 2, "ann@example.com", "", 0], ["b", "waiting", 0, "", "", 1]]
    assert warehouse.one("SELECT count() FROM deliveries WHERE workspace = 'acts'") == 2


def test_rejected_items_and_identity_changes_are_shown(warehouse: WarehouseProcess) -> None:
    why = {"workspace": "no", "source": "shop", "received_at": NOW, "code": "type", "field": "event", "reason": "no"}
    published(warehouse, "rejected", [line("rejected", **why, raw='{"event":1}')])
    assert warehouse.rows("SELECT source, code, field, raw FROM rejected WHERE workspace = 'no'") == [
        ["shop", "type", "event", '{"event":1}']
    ]
    change = {"workspace": "no", "profile_id": "p2", "kind": "merged", "into": "p1", "cause": "m1", "at": NOW}
    published(warehouse, "identity-changes", [line("identity-changes", **change, identifiers=["a:1"])])
    asked = "SELECT profile_id, kind, into, identifiers FROM identity_changes WHERE workspace = 'no'"
    assert warehouse.rows(asked) == [["p2", "merged", "p1", ["a:1"]]]
