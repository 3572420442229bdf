"""The tracking plan on a real platform: what it blocks and flags is listed, and a plan is proposed that fits it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from services.configuration import load_config
from tests.e2e.running import Platform, eventually, platform

PLAN = """
unplanned: {server: flag}
events:
  - event: Order Completed
    on_violation: block
    properties: {required: [total], properties: {total: {type: number}}}
  - event: Signed Up
    on_violation: omit
    properties: schemas/signed-up.json
"""


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("planned")
    (folder / "config" / "schemas").mkdir(parents=True)
    sources = [{"name": "server", "write_key": "key-server", "trusted": True}]
    (folder / "config" / "sources.yaml").write_text(json.dumps({"sources": sources}))
    (folder / "config" / "plan.yaml").write_text(PLAN)
    (folder / "config" / "schemas" / "signed-up.json").write_text('{"properties": {"plan": {"type": "string"}}}')
    with platform(folder / "data", folder / "config") as one:
        yield one


def send(planned: Platform, event: str, **properties: object) -> dict[str, object]:
    body = {"userId": "ann", "event": event, "properties": properties}
    return dict(planned.post("track", body)["items"][0])


def test_what_violates_the_plan_is_told_listed_and_never_lost(planned: Platform, tmp_path: Path) -> None:
    assert send(planned, "Order Completed", total="12,50")["code"] == "plan_violation"
    assert send(planned, "Order Completed", total=12.5)["status"] == "accepted"
    assert send(planned, "Signed Up", plan=7, coupon="x")["violations"] == [
        'properties.plan: 7 is not of type "string"'
    ]
    assert send(planned, "Surprise")["violations"] == ["event: the plan does not name Surprise"]
    eventually(lambda: planned.select("SELECT count() FROM violations") == [(3,)])
    listed = [json.loads(line) for line in planned.rapport("plan", "violations", "--json").splitlines()]
    assert {(one["event"], one["verdict"], one["place"]) for one in listed} == {
        ("Order Completed", "rejected", "properties.total"),
        ("Signed Up", "accepted", "properties.plan"),
        ("Surprise", "accepted", "event"),
    }
    assert planned.select("SELECT toString(properties) FROM touchpoints WHERE event = 'Signed Up'") == [
        ('{"coupon":"x"}',)
    ]

    proposal = tmp_path / "plan.yaml"
    planned.rapport("plan", "infer", "--out", str(proposal))
    events = {one["event"]: one for one in yaml.safe_load(proposal.read_text())["events"]}
    assert events.keys() == {"Order Completed", "Signed Up", "Surprise"}
    assert events["Order Completed"]["properties"]["properties"] == {"total": {"type": "number"}}
    (tmp_path / "sources.yaml").write_text((planned.config / "sources.yaml").read_text())
    assert load_config(tmp_path).plan
