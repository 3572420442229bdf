"""A new trait has its history at once: a back-fill makes the profiles that a replay would, whatever is killed."""

import json
from pathlib import Path
from typing import Any

import httpx

from services.runtime import backfill, frames
from services.runtime.files import Files
from tests.e2e.running import Platform, eventually, platform
from tests.e2e.test_replay_from_the_archive import CONFIG, seen, send

NEW = {
    "traits.yaml": """
traits:
  - {name: spent, event: Order Completed, sum: total}
  - {name: orders, event: Order Completed, count: true}
  - {name: largest, event: Order Completed, max: total, where: {property: total, gt: 10.5}}
  - {name: totals, event: Order Completed, unique: total}
  - {name: last_total, event: Order Completed, last: total, within: 30d}
  - {name: ordered, event: Order Completed, sum: total, of: account}
  - {name: buyers, event: Order Completed, distinct: who, of: account}
""",
    "audiences.yaml": """
audiences:
  - {name: big, who: {trait: spent, gte: 100}}
  - {name: regulars, who: {trait: orders, gte: 3}}
  - {name: quiet, who: {not: {event: Order Completed, at_least: 12}}}
  - {name: lately, who: {event: Order Completed, within: 7d}}
""",
}


def configured(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def bought(n: int, account: str) -> dict[str, Any]:
    """Of one of two people of an account."""
    properties = {"total": n + 0.25, "who": f"u{n % 2}"}
    call = {"type": "track", "event": "Order Completed", "userId": f"u{n % 2}", "messageId": f"{account}{n}"}
    return call | {"properties": properties, "context": {"groupId": account}}


def accounts(up: Platform) -> list[dict[str, Any]]:
    """Their documents, without what only grows."""
    found = [json.loads(row[0]) for row in up.select("SELECT payload FROM accounts ORDER BY account")]
    return [{name: value for name, value in one.items() if name != "version"} for one in found]


def under_way(up: Platform) -> Any:
    db = frames.open_reader(Files(up.data).state)
    try:
        return backfill.state(db)
    finally:
        db.close()


def test_a_back_fill_makes_what_a_replay_makes(tmp_path: Path) -> None:
    config = configured(tmp_path / "config", CONFIG)
    with platform(tmp_path / "data", config) as up:
        send(up)
        orders = [bought(n, account) for n in range(4) for account in ("acme", "globex")]
        up.post("batch", {"batch": [*orders, *orders[:3], {"type": "group", "userId": "u1", "groupId": "quiet"}]})
        up.rapport("audit")
    configured(config, NEW)
    with platform(tmp_path / "data", config) as up:
        call = {"event": "Order Completed", "userId": "u1", "messageId": "new", "properties": {"total": 7.25}}
        up.post("batch", {"batch": [{"type": "track", **call}, bought(4, "acme")]})
        eventually(lambda: "rapport traits backfill" in " ".join((up.data / "up.log").read_text().split()))
        assert "lacks" in up.rapport("traits")
        key = {"authorization": f"Bearer {up.running.admin_key}"}
        order = {"command": "backfill", "who": "test"}
        httpx.post(f"{up.running.url}/v1/admin/commands", json=order, headers=key, timeout=30).raise_for_status()
        up.kill()
        up.start()
        eventually(lambda: under_way(up) is None)
        up.rapport("traits", "backfill")
        assert "lacks" not in up.rapport("traits")
        up.rapport("audit")
        filled, companies = seen(up), accounts(up)
        assert [one["computed"] for one in companies] == [
            {"buyers": 2, "ordered": 11.25}, {"buyers": 2, "ordered": 7}, {"buyers": 0, "ordered": 0},
        ]  # fmt: skip
        members = up.select("SELECT audience, profile_id FROM audiences ORDER BY ALL")
        assert len({audience for audience, _ in members}) >= 3
        up.rapport("replay")
        up.rapport("audit")
        assert seen(up) == filled and accounts(up) == companies
        assert up.select("SELECT audience, profile_id FROM audiences ORDER BY ALL") == members
        assert "SELECT" in up.rapport("traits", "sql", "regulars")
        sql = up.rapport("traits", "sql", "buyers").replace("{workspace: String}", "'main'")
        assert sorted(up.select(sql)) == [("acme", 2), ("globex", 2), ("quiet", 0)]
