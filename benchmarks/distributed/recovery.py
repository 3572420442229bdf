"""(d): how long people whose partitions a killed worker had are without news."""

import threading
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.distributed.feeding import Feed, paced
from benchmarks.distributed.flow import push
from benchmarks.distributed.installation import Installation, alike, working
from benchmarks.distributed.seen import Seen
from benchmarks.introducing import say
from services.runtime.cluster.workers import Workers

BEFORE = 0.25  # share of the time before the kill
LATE = 1.0  # seconds; who waits longer is held up by the kill
WAYS = {
    "another worker takes over": (2, False),
    "restarted at once beside another": (2, True),
    "restarted at once, alone": (1, True),
}
"""How many workers there are, and whether the killed one is started again."""


def kills(
    installation: Installation, feed: Feed, seen: Seen, ways: Sequence[str], rate: float, seconds: float
) -> dict[str, Any]:  # fmt: skip
    """Kill a worker (SIGKILL) while visits come at this rate, in each of these ways."""
    return {way: _kill(installation, feed, seen, way, rate, seconds) for way in ways}


def _kill(installation: Installation, feed: Feed, seen: Seen, way: str, rate: float, seconds: float) -> dict[str, Any]:
    count, again = WAYS[way]
    say(f"(d) kill -9 of a worker at {rate:,.0f} events/s: {way}")
    workers = alike(count)
    mine = {name: workers.pop(name) for name in list(workers)[:1]}
    with working(installation, workers), working(installation, mine) as victim:
        push(feed, seen, feed.events(int(rate)), 1)  # all partitions are at work
        killed, dues = _visits(feed, seen, rate, seconds, victim, again)
        seen.wait(feed.sent)
    waits = [came - due for came, due in zip(seen.came, dues, strict=True) if due >= killed]
    return {"seconds": max(waits), "held_up": sum(wait > LATE for wait in waits) / len(waits), "rate": rate}


def _visits(
    feed: Feed, seen: Seen, rate: float, seconds: float, victim: Workers, again: bool
) -> tuple[float, list[float]]:  # fmt: skip
    """Visits while the worker is killed: the instant of that, and when each of them was due (perf_counter)."""
    seen.begin()
    killed, dues, starting = 0.0, list[float](), threading.Thread(target=victim.start)
    for due in paced(rate, seconds):
        if not killed and len(dues) >= rate * seconds * BEFORE:
            killed = time.perf_counter()
            victim.processes[0].kill()
            if again:
                starting.start()
        user, body = feed.visit()
        seen.expect(user)
        dues.append(due)
        feed.add(feed.line(body), 1)
    feed.flush()
    if again:
        starting.join()
    return killed, dues
