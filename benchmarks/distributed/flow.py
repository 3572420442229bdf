"""(a) and (b): as many events as workers carry to `profiles`, and what they cost where."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks.distributed.feeding import Feed, paced
from benchmarks.distributed.installation import Installation, alike, by_stage, pids, resident, spent, working
from benchmarks.distributed.seen import LOOK, Seen
from benchmarks.introducing import say
from benchmarks.posts import percentile

WARM_UP = 0.15  # share of the events that is carried before anything is counted
WINDOW = 40_000  # events that are on their way, at most


class Run(NamedTuple):
    """What all runs have in common; `events` are those of one, in frames of `cut`."""

    installation: Installation
    feed: Feed
    seen: Seen
    events: int
    cut: int


def crews(run: Run, counts: Sequence[int]) -> dict[str, Any]:
    """Workers that do everything, in these numbers, and one for each stage."""
    found = {}
    for name, made in [*((str(count), alike(count)) for count in counts), ("by stage", by_stage())]:
        say(f"(a) {run.events:,} events, workers: {name}")
        with working(run.installation, made) as crew:
            found[name] = carried(run, pids(crew.processes))
            if name == "by stage":
                found[name]["newcomer_us"] = introduced(run, pids(crew.processes))
    return found


def introduced(run: Run, workers: dict[str, int]) -> dict[str, float]:
    """CPU µs of each stage for one person who was never heard of: identity's one writer decides about each of them."""
    lines = run.feed.newcomers(run.events // 4)
    before = spent(workers)
    push(run.feed, run.seen, lines, run.cut)
    return {name: (seconds - before[name]) / len(lines) * 1e6 for name, seconds in spent(workers).items()}


def sizes(run: Run, workers: dict[str, int], cuts: Sequence[int], rate: float, seconds: float) -> dict[int, Any]:
    """Frames of these sizes: as many as go, then at a steady rate."""
    found = {}
    for cut in cuts:
        say(f"(b) frames of {cut:,}: {run.events // 2:,} events, then {rate:,.0f}/s")
        found[cut] = carried(run._replace(events=run.events // 2, cut=cut), workers)
        found[cut] |= steady(run.feed, run.seen, rate, seconds, cut)
    return found


def carried(run: Run, workers: dict[str, int]) -> dict[str, Any]:
    """So many events, until the last of them is in a document; never more than WINDOW of them on their way."""
    installation, feed, seen, events, cut = run
    warm, lines = feed.events(int(events * WARM_UP)), feed.events(events)
    push(feed, seen, warm, cut)
    processes = workers | installation.services()
    before, asked, began = spent(processes), installation.asked_of_redis(), time.perf_counter()
    documents = seen.documents
    push(feed, seen, lines, cut)
    taken, after, asked_now = seen.at - began, spent(processes), installation.asked_of_redis()
    return {
        "per_second": events / taken,
        "seconds": taken,
        "cpu_us": {name: (after[name] - before[name]) / events * 1e6 for name in processes},
        "cores": {name: (after[name] - before[name]) / taken for name in processes},
        "memory_bytes": resident(processes),
        "documents": (seen.documents - documents) / events,
        "redis": {name: (asked_now[name] - asked[name]) / events for name in asked},
    }


def push(feed: Feed, seen: Seen, lines: Sequence[bytes], cut: int) -> None:
    """Write all of these, as fast as they become visible, and wait for the last."""
    for line in lines:
        feed.add(line, cut)
        while feed.sent - seen.total > WINDOW:
            time.sleep(LOOK)
    feed.flush()
    seen.wait(feed.sent)


def steady(feed: Feed, seen: Seen, rate: float, seconds: float, cut: int) -> dict[str, Any]:
    """Visits at a steady rate; each counts from when it was due, so the time until its frame is full is part of it."""
    seen.begin()
    dues = []
    for due in paced(rate, seconds):
        user, body = feed.visit()
        seen.expect(user)
        dues.append(due)
        feed.add(feed.line(body), cut)
    feed.flush()
    seen.wait(feed.sent)
    waits = sorted(came - due for came, due in zip(seen.came, dues, strict=True))
    return {"rate": rate, "p50_ms": percentile(waits, 0.5) * 1e3, "p99_ms": percentile(waits, 0.99) * 1e3}
