"""(c): from accepted (2xx) by a collector over HTTP until the person's document is on `profiles`."""

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.client import Connection, accepted, close, connect, request
from benchmarks.distributed.feeding import Feed
from benchmarks.distributed.flow import Run
from benchmarks.distributed.installation import Installation, pids, spent, working
from benchmarks.distributed.seen import Seen
from benchmarks.introducing import say
from benchmarks.posts import TICK, percentile
from services.errors import RapportError

CONNECTIONS = 64
WARM_UP = 0.15  # share of the time that is not counted


@dataclass
class _Sent:
    """One event: when it was due and when its answer was here (perf_counter)."""

    due: float
    answered: float = 0.0


def loads(run: Run, workers: dict[str, int], rates: dict[str, float], seconds: float) -> dict[str, Any]:
    """One collector before these workers, at these rates."""
    installation, feed, seen, *_ = run
    found = {}
    with working(installation, {"ingest": ["ingest"]}) as ingest:
        processes = workers | pids(ingest.processes) | installation.services()
        for name, rate in rates.items():
            say(f"(c) {rate:,.0f} single events/s over HTTP")
            asyncio.run(_send(installation, feed, seen, rate, seconds * WARM_UP))
            before, began = spent(processes), time.perf_counter()
            sent = asyncio.run(_send(installation, feed, seen, rate, seconds))
            after, taken = spent(processes), time.perf_counter() - began
            answers = sorted(one.answered - one.due for one in sent)
            visible = sorted(seen.came[number] - one.answered for number, one in enumerate(sent))
            found[name] = {
                "rate": rate, **_shares("answered", answers), **_shares("visible", visible),
                "cores": {one: (after[one] - before[one]) / taken for one in processes},
            }  # fmt: skip
    return found


def _shares(name: str, waits: list[float]) -> dict[str, float]:
    return {f"{name}_{text}_ms": percentile(waits, share) * 1e3 for text, share in (("p50", 0.5), ("p99", 0.99))}


async def _send(installation: Installation, feed: Feed, seen: Seen, rate: float, seconds: float) -> list[_Sent]:
    """Visits at this rate. Returns, when all are visible, when each was due and answered, in the order of `came`."""
    seen.begin()
    connections = await connect(installation.settings.port, CONNECTIONS)
    free, failed, sent = list(connections), list[bytes](), list[_Sent]()
    began, count = time.perf_counter(), max(1, int(rate * seconds))

    def hear(connection: Connection, one: _Sent, answer: bytes) -> None:
        one.answered = time.perf_counter()
        free.append(connection)
        if accepted(answer) != 1:
            failed.append(answer)

    while (len(sent) < count or len(free) < CONNECTIONS) and not failed:
        while free and len(sent) < count and (due := began + len(sent) / rate) <= time.perf_counter():
            user, body = feed.visit()
            seen.expect(user)
            sent.append(_Sent(due))
            connection = free.pop()
            message = request("/v1/page", feed.source.write_key, body)
            connection.send(message, partial(hear, connection, sent[-1]))
        await asyncio.sleep(TICK)
    close(connections)
    if failed:
        raise RapportError(f"the collector did not accept everything: {failed[0].decode()[:500]}")
    feed.sent += count
    await asyncio.to_thread(seen.wait, feed.sent)
    return sent
