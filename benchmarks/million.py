"""What a million touchpoints take of disk and memory (`make bench-million`), and whether memory stays flat: about as
much in the end as halfway."""

import asyncio
from collections.abc import Mapping, Sequence
from math import ceil
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.client import Load, close, connect
from benchmarks.introducing import say
from benchmarks.posts import BATCH, batches
from benchmarks.processes import disk, memory
from benchmarks.standing import Watch
from benchmarks.subject import LOOK, PATIENCE, Subject
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


async def measure(subject: Subject, workload: Workload, touchpoints: int) -> dict[str, Any]:
    """Send so many (whole batches of them), and tell memory and disk."""
    touchpoints = ceil(touchpoints / BATCH) * BATCH
    on_disk, began = disk(subject.folder), perf_counter()
    samples = await grow(subject, workload, touchpoints)
    taken, files = perf_counter() - began, disk(subject.folder)
    return {
        "touchpoints": touchpoints,
        "per_second": touchpoints / taken,
        **flatness(samples, touchpoints),
        "disk_bytes_per_million": {n: (size - on_disk.get(n, 0)) / touchpoints * 1e6 for n, size in files.items()},
        "books": subject.books(),
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
