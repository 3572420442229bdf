"""What was refused, on a real platform: by reason, written down, mended, sent again, resolved; the books balance."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.commands.using_rapport import Command, unbalanced
from tests.e2e.running import Platform


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def groups(rapport: Command, *words: str) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    """(source, kind, code, field): (open, resolved)."""
    found = lines(rapport("rejected", "--json", *words).stdout)
    return {(g["source"], g["kind"], g["code"], g["field"]): (g["open"], g["done"]) for g in found}


def touchpoints(rapport: Command, event: str) -> list[dict[str, Any]]:
    told = lines(rapport("tail", "--no-follow", "--json").stdout)
    return [one for one in told if one["event"] == event]


def test_a_refused_call_is_mended_by_options_and_keeps_the_moment_when_it_came(rapport: Command) -> None:
    assert rapport("send", "track", "--event", "Lost", "-p", "total=1.10", "-p", "who=r1").exit_code == 1
    this = ("web", "track", "no_identifier", "userId")
    was_open, done = groups(rapport)[this]
    (item,) = lines(rapport("rejected", "show", "--code", "no_identifier", "--limit", "1", "--json").stdout)
    assert json.loads(item["raw"])["event"] == "Lost" and not item["resolved"]
    words = ("rejected", "replay", "--id", item["id"], "--rename", "properties.who=userId", "--json")
    assert json.loads(rapport(*words).stdout)["accepted"] == 1
    (touchpoint,) = touchpoints(rapport, "Lost")
    assert (touchpoint["timestamp"], touchpoint["message_id"]) == (item["at"], item["id"])
    assert touchpoint["anchor"] == "user_id:r1" and touchpoint["source"] == "web"
    assert touchpoint["properties"] == {"total": 1.1}
    assert groups(rapport)[this] == (was_open - 1, done + 1)
    again = json.loads(rapport(*words, "--set", "userId=other").stdout)
    assert (again["rows"], again["left_out"]) == (0, 1)
    assert len(touchpoints(rapport, "Lost")) == 1 and not unbalanced(rapport)
    (shown,) = lines(rapport("rejected", "show", item["id"], "--json").stdout)
    assert shown["resolved"] and item["id"] in rapport("rejected", "show", item["id"]).stdout


def test_items_are_written_down_mended_in_a_file_and_sent_again(rapport: Command, tmp_path: Path) -> None:
    sent = [
        {"type": "trakc", "event": "Mended", "userId": "r2", "timestamp": "2024-05-06T07:08:09Z", "n": 0.10},
        {"type": "track", "event": "Mended", "userid": "r3"},
    ]
    stdin = b"\n".join([json.dumps(one).encode() for one in sent] + [b"{cut off"])
    assert rapport("import", "-", stdin=stdin).exit_code == 1
    file = tmp_path / "mend.ndjson"
    assert rapport("rejected", "export", "--source", "import", "-o", str(file)).exit_code == 0
    assert rapport("rejected", "export", "-o", str(file)).exit_code == 1, "it would write over what was mended"
    written = lines(file.read_text())
    assert {json.dumps(one["call"])[:9] for one in written} >= {'{"type": ', '"{cut off'}
    for one in written:  # which has what other tests were refused, too
        if one["call"] == "{cut off":
            one["call"] = {"type": "track", "event": "Mended", "userId": "r4"}
        elif isinstance(one["call"], dict) and one["call"].get("type") == "trakc":
            one["call"]["type"] = "track"
    mended = [one for one in written if isinstance(one["call"], dict) and one["call"].get("event") == "Mended"]
    file.write_text("\n".join(map(json.dumps, mended)) + "\nno line of it\n")
    first = rapport("rejected", "replay", str(file))
    assert first.exit_code == 1 and "4 items: 2 accepted, 0 known already, 2 refused" in first.stdout
    assert "line of `rapport rejected export`" in first.stderr
    file.write_text("\n".join(map(json.dumps, mended)))
    second = json.loads(rapport("rejected", "replay", str(file), "--rename", "userid=userId", "--json").stdout)
    assert (second["rows"], second["accepted"], second["left_out"]) == (1, 1, 2)
    found = {one["anchor"]: one for one in touchpoints(rapport, "Mended")}
    assert set(found) == {"user_id:r2", "user_id:r3", "user_id:r4"}
    moments = {one["id"]: int(datetime.fromisoformat(one["received_at"]).timestamp() * 1000) for one in mended}
    assert found["user_id:r2"]["timestamp"] == 1_714_979_289_000
    assert found["user_id:r3"]["timestamp"] == moments[found["user_id:r3"]["message_id"]]
    assert not unbalanced(rapport)


def test_a_replay_says_what_it_needs(rapport: Command, up: Platform, tmp_path: Path) -> None:
    assert "say what" in rapport("rejected", "replay").stderr
    file = tmp_path / "of_another.ndjson"
    line = {"id": "x", "workspace": "main", "source": "gone", "received_at": "2024-05-06T07:08:09Z", "call": {}}
    file.write_text(json.dumps(line))
    ended = rapport("rejected", "replay", str(file))
    assert ended.exit_code == 1 and "no source 'gone'" in ended.stderr and up.config.name
    assert "either" in rapport("rejected", "replay", str(file), "--code", "x").stderr
    assert rapport("rejected", "replay", str(tmp_path / "none")).exit_code == 1
    assert "two sides" in rapport("rejected", "replay", str(file), "--rename", "user_id").stderr
    file.write_text(json.dumps(line | {"received_at": "yesterday"}))
    assert "`received_at` yesterday" in rapport("rejected", "replay", str(file)).stderr
