"""Events from accepted to visible in profiles and ClickHouse: how many a second for as long as one likes, and what
each costs where.

The generator sends as fast as events become visible: never more than a `window` of them are on their way. So the rate
is one that the platform can hold, and no backlog is hidden at the end.
"""

import asyncio
from time import perf_counter
from typing import Any

from benchmarks.client import Load, close, connect
from benchmarks.posts import BATCH, batches, percentile
from benchmarks.processes import Meter, disk, memory
from benchmarks.standing import Stand, Watch
from benchmarks.subject import LOOK, PATIENCE, Subject
from benchmarks.workload import Workload
from services.errors import RapportError

WINDOW = 40_000  # events that are on their way, at most
CONNECTIONS = 4
FILL = 0.1  # share of the time that passes before anything is counted


async def flow(subject: Subject, workload: Workload, seconds: float, window: int) -> dict[str, Any]:
    """Events for `seconds`, after a start that is not counted; then wait until all is visible. At most `window` of them
    are accepted and not yet visible."""
    before, on_disk = await subject.drained(), disk(subject.folder)
    opened = await connect(subject.port, CONNECTIONS)
    load = Load(opened, batches(subject, workload), BATCH)
    await _run(load, Watch(subject.standing), window - before.accepted, seconds * FILL)
    watch = Watch(subject.standing)
    first, began, meter, stages = watch.look(), perf_counter(), Meter(subject.pids), subject.stages()
    last = await _run(load, watch, window - before.accepted, seconds)
    taken, spent, stages_now = perf_counter() - began, meter.read(), subject.stages()
    held = {name: memory(pid) for name, pid in subject.pids.items()}
    await load.finish()
    close(opened)
    after = await subject.drained(watch)
    events, total, files = last.visible - first.visible, after.accepted - before.accepted, disk(subject.folder)
    return {
        "per_second": events / taken,
        "seconds": taken,
        "lag_events": last.accepted - last.visible,
        "visible_after_p50_s": percentile(watch.delays(), 0.5),
        "visible_after_p99_s": percentile(watch.delays(), 0.99),
        "cpu_us_per_event": {name: cpu / events * 1e6 for name, cpu in spent.items()},
        "cpu": {name: cpu / taken for name, cpu in spent.items()},
        "stages": _per_event(stages, stages_now),
        "memory_bytes": held,
        "disk_bytes_per_event": {name: (size - on_disk.get(name, 0)) / total for name, size in files.items()},
        "books": subject.books(),
    }


async def _run(load: Load, watch: Watch, ahead: int, seconds: float) -> Stand:
    """For so long, and until at least one event became visible, keep the way full: the load sends `ahead` more than
    are visible. Returns where it stands then."""
    began, first = perf_counter(), watch.look().visible
    while True:
        stand, taken = watch.look(), perf_counter() - began
        if taken >= seconds and stand.visible > first:
            return stand
        if taken > seconds + PATIENCE:
            raise RapportError(f"the platform stands still at {stand}")
        load.allow((stand.visible + ahead) // BATCH)
        await asyncio.sleep(LOOK)


def _per_event(
    before: dict[str, tuple[float, float]], now: dict[str, tuple[float, float]]
) -> dict[str, dict[str, float]]:
    """CPU µs and messages of each stage for one event that the engine read meanwhile."""
    events = now["decode"][1] - before["decode"][1]
    found = {}
    for stage, (seconds, messages) in now.items():
        seconds_before, messages_before = before.get(stage, (0.0, 0.0))
        found[stage] = {
            "us_per_event": (seconds - seconds_before) / events * 1e6,
            "messages_per_event": (messages - messages_before) / events,
        }
    return found
