"""`python -m benchmarks.million`, or `make bench-million`: what a million touchpoints take of disk and memory, and
whether memory stays flat: as much in the end as halfway."""

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import uvloop

from benchmarks import machine, report_of_million
from benchmarks.client import Load, close, connect
from benchmarks.introducing import introduce, say
from benchmarks.posts import BATCH, batches
from benchmarks.processes import disk, memory
from benchmarks.standing import Watch
from benchmarks.subject import LOOK, PATIENCE, ROOT, Subject, platform
from benchmarks.whole_way import CONNECTIONS, WINDOW
from benchmarks.workload import Workload
from services.errors import RapportError

SHARES = (0.1, 0.5, 1.0)  # of the touchpoints, at which memory is told
BEFORE = 0.1  # share of the touchpoints up to each of those, of which the most memory counts: it comes and goes
FLAT = 1.1  # memory is flat when it is less than this often what it was halfway


class Sample(NamedTuple):
    """How many touchpoints were visible, and the bytes that each process had in memory then."""

    visible: int
    memory: Mapping[str, int]


def main() -> None:
    """Parse the options, measure, print."""
    options = _options()
    found: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds")}
    with platform(options.data, options.config) as subject:
        found["machine"] = machine.describe(subject.folder)
        found |= uvloop.run(_measure(subject, options.people, ceil(options.touchpoints / BATCH) * BATCH))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        report_of_million.show(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--touchpoints", type=int, default=1_000_000, help="how many are sent; else 1000000")
    parser.add_argument("--people", type=int, default=50_000, help="people that are known before; else 50000")
    parser.add_argument("--data", type=Path, default=ROOT / ".cache", help="the disk to measure: a folder on it")
    parser.add_argument("--config", type=Path, default=ROOT / "config", help="the configuration folder to start from")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


async def _measure(subject: Subject, people: int, touchpoints: int) -> dict[str, Any]:
    workload = await introduce(subject, people)
    on_disk, began = disk(subject.folder), perf_counter()
    samples = await grow(subject, workload, touchpoints)
    taken, files = perf_counter() - began, disk(subject.folder)
    per_million = {name: (size - on_disk.get(name, 0)) / touchpoints * 1e6 for name, size in files.items()}
    return {
        "people": people,
        "touchpoints": touchpoints,
        "per_second": touchpoints / taken,
        **flatness(samples, touchpoints),
        "disk_bytes_per_million": per_million,
        "books": {"accepted": subject.standing.look().accepted, **subject.counted()},
    }


async def grow(subject: Subject, workload: Workload, touchpoints: int) -> list[Sample]:
    """Send so many, as fast as they become visible, and look at the memory all the time, until all are visible."""
    watch, before = Watch(subject.standing), (await subject.drained()).accepted
    opened, samples = await connect(subject.port, CONNECTIONS), list[Sample]()
    load, moved = Load(opened, batches(subject, workload), BATCH), perf_counter()
    while not samples or samples[-1].visible < touchpoints:
        visible = watch.look().visible - before
        if not samples or visible > samples[-1].visible:
            moved = perf_counter()
            samples.append(Sample(visible, {name: memory(pid) for name, pid in subject.pids.items()}))
            _tell(samples, touchpoints)
        if perf_counter() - moved > PATIENCE:
            raise RapportError(f"the platform stands still at {visible:,} of {touchpoints:,} touchpoints")
        load.allow(min(touchpoints, visible + WINDOW) // BATCH)
        await asyncio.sleep(LOOK)
    await load.finish()
    close(opened)
    return samples


def _tell(samples: Sequence[Sample], touchpoints: int) -> None:
    before, now = (sample.visible * 10 // touchpoints for sample in (samples[max(0, len(samples) - 2)], samples[-1]))
    if now > before:
        held = ", ".join(f"{name} {size / 2**20:,.0f} MB" for name, size in sorted(samples[-1].memory.items()))
        say(f"{samples[-1].visible:,} touchpoints: {held}")


def most_at(samples: Sequence[Sample], visible: float, before: float) -> dict[str, int]:
    """The most memory of each process while the touchpoints up to `visible` became so, beginning `before` less; if
    nobody looked in that time, at the first look after it."""
    meant = [sample for sample in samples if visible - before < sample.visible <= visible]
    meant = meant or [next((sample for sample in samples if sample.visible > visible), samples[-1])]
    return {name: max(sample.memory[name] for sample in meant) for name in meant[0].memory}


def flatness(samples: Sequence[Sample], touchpoints: int) -> dict[str, Any]:
    """Memory at each of SHARES, how often that of the end is that of halfway, and which processes grow."""
    marks = {f"{share:.0%}": most_at(samples, share * touchpoints, BEFORE * touchpoints) for share in SHARES}
    growth = {name: marks["100%"][name] / size for name, size in marks["50%"].items()}
    return {"memory_bytes": marks, "growth": growth, "grows": [name for name, by in growth.items() if by > FLAT]}


if __name__ == "__main__":
    main()
