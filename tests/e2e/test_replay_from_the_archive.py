"""The log is bounded: what has left it is read again from the warehouse, and the books balance all the same."""

import json
import random
from contextlib import closing
from pathlib import Path
from typing import Any

from services.runtime import frames, standing
from services.runtime.files import Files
from tests.e2e.running import Platform, platform

CONFIG = {
    "sources.yaml": "sources:\n  - {name: server, write_key: key-server, channel: server, trusted: true}\n",
    "traits.yaml": "traits:\n  - {name: spent, event: Order Completed, sum: total}\n",
    "audiences.yaml": "audiences:\n  - {name: big, who: {trait: spent, gte: 100}}\n",
}


CALLS = 120


def story() -> list[dict[str, Any]]:
    """Orders before and after log-ins, some of them twice."""
    chance = random.Random(7)
    found = []
    for number in range(CALLS):
        who = chance.randrange(12)
        call = {"type": "track", "event": "Order Completed", "messageId": f"m{number}"}
        call |= {"anonymousId": f"a{who}"} if chance.random() < 0.7 else {"userId": f"u{who}"}
        call |= {"userId": f"u{who}"} if chance.random() < 0.3 else {}
        found.append(call | {"properties": {"total": chance.randrange(1, 10_000) / 100}})
    return [*found, *chance.sample(found, 20)]


def send(up: Platform) -> None:
    """In frames of many sizes."""
    items = story()
    while items:
        size = random.Random(len(items)).choice([1, 2, 30])
        up.post("batch", {"batch": items[:size]})
        items = items[size:]


def balanced(up: Platform) -> None:
    report = json.loads(up.rapport("audit", "--json"))
    assert report["balanced"], [one for one in report["accounts"] if not one["balanced"]]


def seen(up: Platform) -> tuple[list[dict[str, Any]], list[Any]]:
    """What analysts see: people without their versions, and the touchpoints' places."""
    people = [json.loads(row[0]) for row in up.select("SELECT payload FROM profiles ORDER BY profile_id")]
    places = up.select("SELECT offset, index FROM touchpoints ORDER BY offset, index")
    return [{name: value for name, value in one.items() if name != "version"} for one in people], list(places)


def test_what_has_left_the_log_is_replayed_from_the_archive(tmp_path: Path) -> None:
    config, files = tmp_path / "config", Files(tmp_path / "data")
    config.mkdir()
    for name, text in CONFIG.items():
        (config / name).write_text(text)
    with platform(files.folder, config) as up:
        send(up)
        balanced(up)
        before = seen(up)

    with closing(frames.open_file(files.log)) as log:
        end = standing.archived(files, "touchpoints")
        assert end == frames.end(log, "touchpoints") > 10
        frames.trim(log, "touchpoints", end - 3, 10**15)
        assert frames.beginning(log, "touchpoints") == end - 3

    with platform(files.folder, config) as up:
        up.post("batch", {"batch": story()})  # all of it again: known from before the log was trimmed
        up.rapport("replay")
        balanced(up)
        assert seen(up) == before and len(before[1]) == CALLS
