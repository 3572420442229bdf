"""The example that keeps a copy of all profiles, beside a real platform, while both are killed again and again."""

import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from services.runtime import standing
from services.runtime.files import Files
from tests.e2e.running import Platform, eventually

EXAMPLE = Path(__file__).parents[2] / "examples" / "keep_profiles.py"
CONFIG = {
    "sources.yaml": "sources:\n  - {name: server, write_key: key-server, channel: server, trusted: true}\n",
    "traits.yaml": "traits:\n  - {name: spent, event: Order Completed, sum: total}\n",
    "audiences.yaml": "audiences:\n  - {name: big, who: {trait: spent, gte: 100}}\n",
}
PEOPLE = 15
chance = random.Random(3)


def send(up: Platform, calls: int) -> None:
    """Orders and log-ins, by which people become one."""
    for _ in range(calls):
        call: dict[str, Any] = {"type": "track", "event": "Order Completed"}
        call["properties"] = {"total": chance.randrange(1, 10_000) / 100}
        who = chance.randrange(PEOPLE)
        names = [{"anonymousId": f"a{who}"}, {"userId": f"u{who}"}, {"anonymousId": f"a{who}", "userId": f"u{who % 7}"}]
        up.post("batch", {"batch": [call | chance.choice(names)]})


@contextmanager
def keeping(up: Platform, copy: Path) -> Iterator[None]:
    """The example at work, killed with -9 at the end."""
    command = [sys.executable, str(EXAMPLE), up.running.url, str(copy)]
    process = subprocess.Popen(command, env=os.environ, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def kept(copy: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(copy, timeout=30)) as db:
        try:
            return {own: json.loads(text) for own, text in db.execute("SELECT id, document FROM profiles")}
        except sqlite3.OperationalError:  # it has only just been made
            return {}


def as_the_api_sees_them(up: Platform) -> dict[str, Any]:
    """Everybody, looked up by every identifier that there may be, once the engine has read everything."""
    files = Files(up.data)
    standing.wait("the engine", lambda: standing.folded(files), standing.log_end(files), standing.silent)
    names = [*(f"anonymous_id/a{who}" for who in range(PEOPLE)), *(f"user_id/u{who}" for who in range(PEOPLE))]
    with httpx.Client(base_url=f"{up.running.url}/v1/profiles/by/", trust_env=False, verify=False) as client:
        found = [answer.json() for answer in map(client.get, names) if answer.status_code == 200]
    return {one["profile_id"]: one for one in found}


def test_the_copy_is_what_the_api_says_whoever_was_killed(tmp_path: Path) -> None:
    config, copy = tmp_path / "config", tmp_path / "copy.db"
    config.mkdir()
    for name, text in CONFIG.items():
        (config / name).write_text(text)
    up = Platform(tmp_path / "data", config, {})
    up.start()
    send(up, 40)
    with keeping(up, copy):
        eventually(lambda: kept(copy))
        send(up, 20)
    send(up, 20)
    with keeping(up, copy):
        send(up, 5)
        up.kill()
    up.start()
    send(up, 10)
    with keeping(up, copy):
        eventually(lambda: kept(copy) == as_the_api_sees_them(up))
        up.rapport("replay")
        send(up, 5)
        eventually(lambda: kept(copy) == as_the_api_sees_them(up))
    with closing(sqlite3.connect(copy)) as db, db:  # as if the platform were another one: the copy is made anew
        db.execute("UPDATE place SET position = '0123456789abcdef-1-0-1'")
        db.execute("INSERT INTO profiles VALUES ('p-of-another-life', '{}')")
    with keeping(up, copy):
        eventually(lambda: kept(copy) == as_the_api_sees_them(up))
    up.stop()
