"""`python -m benchmarks.redis_costs`: what state costs in Redis. Starts one of its own; the figures of docs/redis.md.

Memory is what Redis says of itself (used_memory) before and after real stages have handled synthetic touchpoints, and
divided; time is that of one call of the state's, with nothing else going on.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from redis import asyncio as redis
from rich.console import Console

from benchmarks.subject import ROOT
from benchmarks.tables import table
from schemas import fast
from schemas.fast import Touchpoint
from services.configuration import load_config
from services.pipeline import processors
from services.processor import Emit, Frame
from services.runtime.cluster.addresses import free_ports
from services.runtime.cluster.redis import Redis
from services.runtime.handler import Handler
from services.runtime.ports import Write
from services.runtime.redis.state import RedisState

FRAME = 500  # touchpoints of one frame
SIZES = (1, 20, 100, 500, 2_000, 5_000)  # records of one frame
BYTES = 600  # of one record
PEOPLE = 5_000
EACH = (10, 1_300, 10_000)  # message ids of one anchor: few, just after their pages were divided, and many
IDS = 50_000
BEGAN = 1_790_000_000_000  # epoch ms
EVENTS = ("Product Viewed", "Page Viewed", "Order Completed", "Checkout Started")


class Blob(msgspec.Struct):
    """A record of a size."""

    bytes: bytes


class Pipeline:
    """The stages over one Redis, one partition each; what they publish is handed on at once."""

    def __init__(self, client: redis.Redis, prefix: str):
        stages = processors(load_config(ROOT / "config"), 0, defaultdict(int), 1)
        states = [RedisState(client, stage.name, 0, stage.record, prefix) for stage in stages]
        self._handlers = [Handler(stage, 0, state, self) for stage, state in zip(stages, states, strict=True)]
        self._waiting: dict[str, list[Any]] = defaultdict(list)

    async def publish(self, emits: Sequence[Emit]) -> None:
        """Keep what is published until the stage that reads it gets its turn."""
        for emit in emits:
            self._waiting[emit.topic].append(emit.message)

    async def load(self) -> None:
        """Take up all stages."""
        for handler in self._handlers:
            await handler.load()

    async def take(self, touchpoints: Sequence[Touchpoint]) -> None:
        """Carry a frame through all stages."""
        self._waiting["touchpoints"] += touchpoints
        now = touchpoints[-1].received_at
        while any(self._waiting[topic] for one in self._handlers for topic in one.processor.inputs):
            for handler in self._handlers:
                for topic in handler.processor.inputs:
                    messages, self._waiting[topic] = self._waiting[topic], []
                    if messages:
                        await handler.handle(Frame(topic, 0, messages, now), {})


def touchpoint(number: int, anchor: int) -> Touchpoint:
    """Somebody did something: the first time they say who they are."""
    user, at = f"user_id:u{anchor}", BEGAN + number * 20
    event = EVENTS[number % len(EVENTS)]
    return Touchpoint(
        workspace="main", source="web", channel="web", type="track", event=event, message_id=f"message-{number}",
        anchor=user, identifiers=(user, f"email:somebody{anchor}@example.com"), timestamp=at, received_at=at,
        evidence_at=at, context=fast.EMPTY, traits=fast.raw({"email": f"somebody{anchor}@example.com", "plan": "gold"}),
        properties=fast.raw({"order_id": f"o{number}", "total": 12.5, "quantity": 2, "name": f"thing {number % 100}"}),
    )  # fmt: skip


async def memory(client: redis.Redis) -> int:
    """Bytes that Redis says to use for what it keeps."""
    told: Any = await client.info("memory")
    return int(told["used_memory_dataset"])


async def received(client: redis.Redis) -> int:
    """Bytes that have come in: the append-only file gets about as many."""
    told: Any = await client.info("stats")
    return int(told["total_net_input_bytes"])


async def take_all(pipeline: Pipeline, found: Iterator[Touchpoint], many: int) -> None:
    """So many of these touchpoints, frame by frame."""
    for at in range(0, many, FRAME):
        await pipeline.take([next(found) for _ in range(min(FRAME, many - at))])


async def ids(client: redis.Redis, each: int, many: int) -> float:
    """Bytes that one message id takes, where an anchor has so many: what comes on top of the anchors themselves."""
    anchors = max(1, many // each)
    pipeline = Pipeline(client, f"ids-{each}")
    await pipeline.load()
    found = (touchpoint(number, number % anchors) for number in range(anchors + many))
    await take_all(pipeline, found, anchors)
    before = await memory(client)
    await take_all(pipeline, found, many)
    return (await memory(client) - before) / many


async def people(client: redis.Redis, many: int) -> dict[str, float]:
    """Bytes that one person with two identifiers and five touchpoints takes, in all and in each stage, and what is sent
    to Redis for one of their touchpoints."""
    pipeline = Pipeline(client, "people")
    before, sent = await memory(client), await received(client)
    await pipeline.load()
    await take_all(pipeline, (touchpoint(number, number % many) for number in range(5 * many)), 5 * many)
    each = {"people: two identifiers, five touchpoints": (await memory(client) - before) / many}
    for stage in ("fold", "identity", "assemble", "rules"):
        state = f"people:{{{stage}/0}}:*"
        sizes = [await client.memory_usage(key, samples=1_000) async for key in client.scan_iter(state)]
        each[f"    {stage}"] = sum(size or 0 for size in sizes) / many
    each["sent to Redis for a touchpoint"] = (await received(client) - sent) / many / 5
    return each


async def times(client: redis.Redis, size: int) -> tuple[str, ...]:
    """How long it takes to read and to write so many records, in ms: what the worker waits, and what Redis works."""
    state = RedisState(client, "frames", 0, Blob, "times")
    token = (await state.load()).token
    records = {f"{number:033}": Blob(bytes(BYTES)) for number in range(size)}
    again = max(10, 2_000 // size)

    async def write() -> None:
        nonlocal token
        token = await state.write(token, Write(records, {"touchpoints": 1}, [], []))

    async def read() -> None:
        await state.get(token, list(records))

    await write()
    return (f"{size:,}", *await timed(client, read, again), *await timed(client, write, again))


async def timed(client: redis.Redis, call: Callable[[], Coroutine[Any, Any, None]], again: int) -> tuple[str, str]:
    """The median of the waits for a call, and Redis's CPU time for one, in ms."""
    taken, before = [], await worked(client)
    for _ in range(again):
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
    return f"{statistics.median(taken) * 1e3:.2f}", f"{(await worked(client) - before) / again * 1e3:.2f}"


async def worked(client: redis.Redis) -> float:
    """Seconds of CPU that Redis's main thread has taken."""
    told: Any = await client.info("cpu")
    return float(told["used_cpu_user_main_thread"] + told["used_cpu_sys_main_thread"])


async def measure(url: str, part: int) -> None:
    """Everything, with a `part`-th of people and ids, as tables."""
    console = Console()
    async with redis.Redis.from_url(url) as client:
        rows = [await times(client, size) for size in SIZES]
        columns = ("records", "read, ms", "Redis works", "write, ms", "Redis works")
        table(console, f"One frame of records of {BYTES} bytes", columns, rows)
        found = {f"message ids, {each:,} an anchor": await ids(client, each, IDS // part) for each in EACH}
        found |= await people(client, PEOPLE // part)
    rows = [(name, f"{size:,.0f}") for name, size in found.items()]
    table(console, "Bytes each, or MB a million", ("of", "bytes"), rows)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redis_costs", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only see that it works; its figures say nothing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Redis(Path(folder), free_ports(1)[0])
        server.start()
        try:
            asyncio.run(measure(server.url, 100 if options.quick else 1))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
