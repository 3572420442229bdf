"""The platform that is measured: all of it, as `rapport up` runs it, on a folder and ports of its own."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import clickhouse_connect
import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.standing import Stand, Standing, Watch
from services.configuration import load_config
from services.errors import RapportError
from services.runtime.platform import Platform
from services.runtime.settings import Settings

ROOT = Path(__file__).parents[1]
LOOK = 0.05  # seconds between two looks at what is visible
PATIENCE = 120.0  # seconds without progress until waiting is given up
_NOBODY_ORDERS_SO_MUCH = "\nif: {property: total, gte: 1000000}\n"


class Subject(NamedTuple):
    """The platform that is up: where it answers, its processes and its files."""

    port: int
    clickhouse_port: int
    write_key: str
    pids: dict[str, int]
    folder: Path
    standing: Standing

    def stages(self) -> dict[str, tuple[float, float]]:
        """Of each stage the CPU seconds and the messages so far, from /metrics."""
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=30).text
        found: dict[str, list[float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name in ("rapport_stage_seconds_total", "rapport_stage_messages_total"):
                    at = sample.name == "rapport_stage_messages_total"
                    found.setdefault(sample.labels["stage"], [0.0, 0.0])[at] += sample.value
        return {stage: (seconds, messages) for stage, (seconds, messages) in found.items()}

    def counted(self) -> dict[str, int]:
        """Events as ClickHouse counts them: in its archive, and in the documents of all people together."""
        with clickhouse_connect.get_client(host="127.0.0.1", port=self.clickhouse_port, username="reader") as client:
            archive = client.query("SELECT count() FROM touchpoint_log").result_rows[0][0]
            people, profiles = client.query("SELECT count(), sum(touchpoints) FROM profiles").result_rows[0]
        return {"in ClickHouse's archive": archive, "in ClickHouse's profiles": profiles, "people": people}

    def books(self) -> dict[str, int]:
        """How many events were accepted, and how many of them ClickHouse counts."""
        return {"accepted": self.standing.look().accepted, **self.counted()}

    async def drained(self, watch: Watch | None = None) -> Stand:
        """Wait until everything accepted can be seen. Raises RapportError when nothing moves."""
        watch = watch or Watch(self.standing)
        best, since = -1, time.monotonic()
        while (stand := watch.look()).visible < stand.accepted:
            if stand.visible > best:
                best, since = stand.visible, time.monotonic()
            if time.monotonic() - since > PATIENCE:
                raise RapportError(f"the platform stands still at {stand}")
            await asyncio.sleep(LOOK)
        return stand


@contextmanager
def platform(below: Path, config: Path) -> Iterator[Subject]:
    """A platform on a new folder below this one, stopped and removed at the end."""
    below.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=below)).resolve()
    try:
        settings = Settings(
            data=folder / "data", config=configured(config, folder / "config"), port=0, clickhouse_port=0
        )
        running = Platform(settings)
        try:
            said = running.start()
            key = load_config(settings.config).sources[0].write_key
            pids = running.family.pids()
            yield Subject(said.port, said.clickhouse_port, key, pids, settings.data, Standing(settings.data))
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def configured(config: Path, made: Path) -> Path:
    """The starter configuration, with its rules judging every order and every entry but calling no webhook: an order's
    rule asks for more than anybody spends, and the rule for VIPs, which nobody becomes here either, is left out."""
    shutil.copytree(config, made)
    order = made / "rules" / "order_to_crm.yaml"
    order.write_text(order.read_text() + _NOBODY_ORDERS_SO_MUCH)
    (made / "rules" / "vip_to_crm.yaml").unlink()
    return made
