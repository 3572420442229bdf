"""How many events the tracking API accepts: alone and in batches, and how long a single one waits for its answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from math import inf
from time import perf_counter
from typing import Any

from benchmarks.client import Load, accepted, close, connect, request
from benchmarks.processes import Meter
from benchmarks.standing import Watch
from benchmarks.subject import LOOK, PATIENCE, Subject
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
    subject: Subject, make: Callable[[], bytes], size: int, connections: int, seconds: float,
    count: Callable[[bytes], int] = accepted,
) -> dict[str, Any]:  # fmt: skip
    """As many as the platform takes: each connection sends its next request when it has its answer."""
    opened = await connect(subject.port, connections)
    load = Load(opened, make, size, count=count)
    load.allow(inf)
    await asyncio.sleep(seconds * WARM_UP)
    meter, counted, began = Meter(subject.pids), load.counted, perf_counter()
    await asyncio.sleep(seconds * (1 - WARM_UP))
    async with asyncio.timeout(PATIENCE):
        while load.counted == counted:  # a busy machine may do nothing for a while
            await asyncio.sleep(TICK)
            load.allow(inf)
    counted, taken, spent = load.counted - counted, perf_counter() - began, meter.read()
    await load.finish()
    close(opened)
    return {"per_second": counted / taken, "cpu": {name: cpu / taken for name, cpu in spent.items()}}


async def steady(
    subject: Subject, make: Callable[[], bytes], rate: float, connections: int, seconds: float,
    count: Callable[[bytes], int] = accepted,
) -> dict[str, Any]:  # fmt: skip
    """One at a time at a steady rate, whatever the answers do; a wait counts from when its request was due.

    Up to TICK of a wait is the generator's own clock.
    """
    opened, began = await connect(subject.port, connections), perf_counter()
    load, meter = Load(opened, make, 1, lambda n: began + n / rate, count), Meter(subject.pids)
    await pace(load, began, rate, seconds)
    spent = meter.read()
    await load.finish()
    close(opened)
    waits = sorted(load.waits[int(len(load.waits) * WARM_UP) :])
    return {
        "rate": rate,
        **{f"{name}_ms": percentile(waits, share) * 1000 for name, share in SHARES.items()},
        "max_ms": waits[-1] * 1000,
        "cpu": {name: cpu / seconds for name, cpu in spent.items()},
    }


async def pace(load: Load, began: float, rate: float, seconds: float = inf) -> None:
    """Start requests as they become due, for so long."""
    while (now := perf_counter() - began) < seconds:
        load.allow(int(now * rate) + 1)
        await asyncio.sleep(TICK)


async def steady_and_seen(
    subject: Subject, make: Callable[[], bytes], rate: float, connections: int, seconds: float
) -> dict[str, Any]:
    """Events at a steady rate, and how long it takes until they are visible."""
    watch = Watch(subject.standing)
    async with meanwhile(_look_on(watch)):
        found = await steady(subject, make, rate, connections, seconds)
    await subject.drained(watch)
    delays = watch.delays()
    seen = {f"visible_after_{name}_s": percentile(delays, SHARES[name]) for name in ("p50", "p99")}
    return found | seen


async def _look_on(watch: Watch) -> None:
    while True:
        watch.look()
        await asyncio.sleep(LOOK)


@asynccontextmanager
async def meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this beside what is inside, and stop at its end. Raises what the work raised."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
