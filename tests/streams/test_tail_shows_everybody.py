"""`rapport tail profiles --from-start` shows everybody, also those whose last change has left the log."""

import json
from pathlib import Path

from typer.testing import CliRunner

from services.commands.application import app
from services.runtime import frames
from tests.streams.stream_platform import World, touchpoint

CONFIG = {
    "sources.yaml": "sources:\n  - {name: s, write_key: key}\n",
    "traits.yaml": "traits:\n  - {name: seen, event: Seen, count: true}\n",
    "audiences.yaml": "audiences:\n  - {name: often, who: {trait: seen, gte: 2}}\n",
}


def tail(folder: Path, *words: str) -> list[bytes]:
    options = ("--no-follow", "--json", "--data", str(folder), "--config", str(folder))
    done = CliRunner().invoke(app, ["tail", *words, *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout_bytes.splitlines()


def test_the_present_document_of_everybody_is_there(tmp_path: Path) -> None:
    for name, text in CONFIG.items():
        (tmp_path / name).write_text(text)
    world = World(tmp_path)
    world.receive(
        touchpoint(1, "anonymous_id:a1"), touchpoint(2, "user_id:u1"), touchpoint(3, "user_id:u1", group="acme")
    )
    world.receive(touchpoint(4, "user_id:u1", "anonymous_id:a1"), touchpoint(5, "user_id:u1", workspace="brand-b"))
    newest = {workspace: dict(world.published("profiles", workspace)) for workspace in ("main", "brand-b")}
    for topic in ("profiles", "accounts"):
        frames.trim(world.file.db, topic, frames.end(world.file.db, topic), 10**15)
    world.close()
    for workspace, documents in newest.items():
        assert sorted(tail(tmp_path, "profiles", "--workspace", workspace)) == sorted(documents.values())
    assert len(tail(tmp_path, "profiles", "--from-start")) == sum(map(len, newest.values())) == 3
    (company,) = tail(tmp_path, "accounts", "--from-start")
    assert (json.loads(company)["identifiers"], json.loads(company)["touchpoints"]) == (["account:acme"], 1)
    told = [json.loads(line)["workspace"] for line in tail(tmp_path, "touchpoints", "--workspace", "brand-b")]
    assert told == ["brand-b"]
