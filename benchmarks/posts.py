"""How many events the tracking API accepts: alone and in batches, and how long a single one waits for its answer."""

import asyncio
from collections.abc import Callable
from itertools import count
from time import perf_counter
from typing import Any

from benchmarks.client import Load, close, connect, request
from benchmarks.processes import Meter
from benchmarks.standing import Watch
from benchmarks.subject import LOOK, Subject
from benchmarks.workload import Workload

WARM_UP = 0.1  # share of the time that is not counted
BATCH = 100  # events
SINGLES, BATCHES = 64, 8  # connections
SHARES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
TICK = 0.001  # seconds between two looks at the clock of a steady load


def percentile(ascending: list[float], share: float) -> float:
    """The value below which this share of them lies."""
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))]


def singles(subject: Subject, workload: Workload) -> Callable[[], bytes]:
    """Makes requests of one event each."""

    def make() -> bytes:
        call = workload.event()
        return request(f"/v1/{call.kind}", subject.write_key, call.body)

    return make


def batches(subject: Subject, workload: Workload, size: int = BATCH) -> Callable[[], bytes]:
    """Makes requests of `size` events each."""
    return lambda: request("/v1/batch", subject.write_key, workload.batch(size))


async def most(
    subject: Subject, make: Callable[[], bytes], size: int, connections: int, seconds: float
) -> dict[str, Any]:
    """As many as the platform takes: each connection sends its next request when it has its answer."""
    opened = await connect(subject.port, connections)
    load = Load(opened, make, size)
    load.allow(float("inf"))
    await asyncio.sleep(seconds * WARM_UP)
    meter, accepted, began = Meter(subject.pids), load.accepted, perf_counter()
    await asyncio.sleep(seconds * (1 - WARM_UP))
    accepted, taken, spent = load.accepted - accepted, perf_counter() - began, meter.read()
    await load.finish()
    close(opened)
    return {"events_per_second": accepted / taken, "cpu": {name: cpu / taken for name, cpu in spent.items()}}


async def steady(
    subject: Subject, make: Callable[[], bytes], rate: float, connections: int, seconds: float
) -> dict[str, Any]:
    """Single events at a steady rate, whatever the answers do; a wait counts from when its event was due.

    Up to TICK of a wait is the generator's own clock.
    """
    opened, watch = await connect(subject.port, connections), Watch(subject.standing)
    began, looks = perf_counter(), count()
    load = Load(opened, make, 1, lambda n: began + n / rate)
    meter, next_look = Meter(subject.pids), next(looks) * LOOK
    while (now := perf_counter() - began) < seconds:
        load.allow(int(now * rate) + 1)
        if now >= next_look:
            watch.look()
            next_look = next(looks) * LOOK
        await asyncio.sleep(TICK)
    spent = meter.read()
    await load.finish()
    close(opened)
    await subject.drained(watch)
    waits, delays = sorted(load.waits[int(len(load.waits) * WARM_UP) :]), watch.delays()
    return {
        "rate": rate,
        **{f"{name}_ms": percentile(waits, share) * 1000 for name, share in SHARES.items()},
        "max_ms": waits[-1] * 1000,
        "visible_after_p50_s": percentile(delays, 0.5),
        "visible_after_p99_s": percentile(delays, 0.99),
        "cpu": {name: cpu / seconds for name, cpu in spent.items()},
    }
