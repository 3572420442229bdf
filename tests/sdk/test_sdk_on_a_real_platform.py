"""The client against `rapport up`: programs and platform are killed, and everything is there once."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from rapport_sdk import Client

from tests.e2e.running import Platform, eventually

ROOT = Path(__file__).parents[2]
SOURCES = """
sources:
  - {name: server, write_key: key-server, channel: server, trusted: true}
  - {name: slow, write_key: key-slow, channel: server, trusted: true, rate: {per_second: 20, burst: 20}}
"""
TRAITS = """
traits:
  - {name: spent, event: Order Completed, sum: total}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    (config := folder / "config").mkdir()
    (config / "sources.yaml").write_text(SOURCES)
    (config / "traits.yaml").write_text(TRAITS)
    one = Platform(folder / "data", config, {})
    one.start()
    one.port = int(one.running.url.rpartition(":")[2])  # and there it is found again
    yield one
    one.stop()


class Program:
    """A program that sends until it is killed."""

    def __init__(self, name: str, platform: Platform, buffer: Path):
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "sdk" / "python")}
        command = [sys.executable, str(Path(__file__).with_name("sending_program.py")), name, platform.running.url]
        self.told = buffer.with_name(f"{name}.told")
        with self.told.open("wb") as told:
            self._process = subprocess.Popen([*command, str(buffer)], env=environment, stdout=told)

    def returned(self) -> list[str]:
        """The message ids of the calls that have returned."""
        return re.findall(r"(.*)\n", self.told.read_text())

    def more(self, events: int) -> None:
        """Wait until so many more calls have returned."""
        before = len(self.returned())
        eventually(lambda: len(self.returned()) >= before + events)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


def rows(platform: Platform, prefix: str) -> dict[str, int]:
    """The message ids that begin so, and how many touchpoints of each the warehouse has."""
    found = platform.select(
        f"SELECT message_id, count() FROM touchpoints WHERE startsWith(message_id, '{prefix}') GROUP BY message_id"
    )
    return {str(message_id): int(times) for message_id, times in found}


def test_kill_9_of_programs_and_platform_loses_nothing_and_doubles_nothing(platform: Platform, tmp_path: Path) -> None:
    buffer, programs = tmp_path / "buffer", list[Program]()
    for life in range(3):
        pair = [Program(f"killed-{life}-{n}", platform, buffer) for n in range(2)]  # share one folder
        pair[0].more(150)
        if life == 1:
            platform.kill()
            pair[1].more(50)  # go on into the buffer
            platform.start()
        pair[1].more(150)
        for program in pair:
            program.kill()
        programs += pair
    with Client("key-server", platform.running.url, buffer=buffer) as heir:
        heir.flush()
    assert not list(buffer.glob("*/*"))
    returned = {each for program in programs for each in program.returned()}
    found = eventually(lambda: there if returned <= (there := rows(platform, "killed-")).keys() else None)
    assert len(returned) > 1_000 and set(found.values()) == {1}
    assert len(found) <= len(returned) + len(programs)  # at most the one call of each that was under way
    eventually(lambda: platform.select("SELECT sum(touchpoints) FROM profiles")[0][0] == len(found))


def test_every_call_is_seen_in_the_profile_and_money_to_the_last_digit(platform: Platform, tmp_path: Path) -> None:
    with Client("key-server", platform.running.url, buffer=tmp_path) as client, client.context(user_id="ann-sdk"):
        client.page("Home", anonymous_id="ann-browser")
        client.identify(traits={"email": "Ann@sdk.example", "name": "安"})
        client.track("Order Completed", properties={"total": Decimal("123456789012.123456789")})
        client.screen("Start")
        client.group("acme", traits={"plan": "gold"})
        client.alias("ann-before")
    found = eventually(lambda: (p := platform.profile("email", "ann@sdk.example")) and p["touchpoints"] == 6 and p)
    assert {"user_id:ann-sdk", "anonymous_id:ann-browser", "anonymous_id:ann-before"} <= set(found["identifiers"])
    assert found["traits"]["name"]["value"] == "安"
    told = httpx.get(f"{platform.running.url}/v1/profiles/by/user_id/ann-sdk").text
    assert '"spent":123456789012.123456789' in told


def test_a_rate_is_honoured(platform: Platform, tmp_path: Path) -> None:
    began = time.monotonic()
    with Client("key-slow", platform.running.url, buffer=tmp_path, batch_events=20) as client:
        for n in range(60):
            client.track("slowly", user_id="u-slow", message_id=f"slow-{n}")
        client.flush()
    knocked = metrics(platform, 'rapport_ingest_requests_total{status="429"}')
    assert time.monotonic() - began >= 1.9 and 1 <= knocked <= 4  # 20 at once, then 20 a second
    found: dict[str, Any] = eventually(lambda: there if len(there := rows(platform, "slow-")) == 60 else None)
    assert set(found.values()) == {1}


def metrics(platform: Platform, name: str) -> float:
    lines = httpx.get(f"{platform.running.url}/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))
