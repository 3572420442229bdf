"""`python -m benchmarks`, or `make bench`: measure a platform of its own on this machine, and print the figures."""

import argparse
import asyncio
import gc
import json
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from benchmarks import machine, posts, report, whole_way
from benchmarks.client import Load, close, connect, request
from benchmarks.subject import ROOT, Subject, platform
from benchmarks.workload import Workload

INTRODUCED = 500  # people in one batch


class Extent(NamedTuple):
    """How much is measured: seconds of each part of (a) and of (b), of (c), and how many people are known before."""

    posts: float
    whole_way: float
    people: int


WHOLE, QUICK = Extent(10, 60, 50_000), Extent(1, 2, 1_000)


def main() -> None:
    """Parse the options, measure, print."""
    options = _options()
    extent = QUICK if options.quick else WHOLE
    extent = extent._replace(**{k: v for k in ("whole_way", "people") if (v := getattr(options, k)) is not None})
    found: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "extent": extent._asdict()}
    with platform(options.data, options.config) as subject:
        found["machine"] = machine.describe(subject.folder)
        found |= uvloop.run(measure(subject, extent))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        report.show(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only see that everything works: about ten seconds in all")
    parser.add_argument("--seconds", type=float, dest="whole_way", help="how long (c) lasts; else 60")
    parser.add_argument("--people", type=int, help="people that are known before; else 50000")
    parser.add_argument("--data", type=Path, default=ROOT / ".cache", help="the disk to measure: a folder on it")
    parser.add_argument("--config", type=Path, default=ROOT / "config", help="the configuration folder to start from")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


async def measure(subject: Subject, extent: Extent) -> dict[str, Any]:
    """Everything in turn; each part begins when all that was accepted before is visible."""
    workload = Workload(extent.people, Instant(), uuid.uuid4().hex[:8])
    gc.freeze()
    gc.disable()  # the generator makes no cycles, and shares its core with what it measures
    _say(f"{extent.people:,} people introduce themselves")
    await introduce(subject, workload)
    one, many = posts.singles(subject, workload), posts.batches(subject, workload)
    _say("(a) single events, as many as it takes")
    singles = await posts.most(subject, one, 1, posts.SINGLES, extent.posts)
    await subject.drained()
    _say("(a) single events at half of that")
    rate = max(1.0, singles["events_per_second"] / 2)
    steady = await posts.steady(subject, one, rate, posts.SINGLES, extent.posts)
    _say("(b) batches, as many as it takes")
    batches = await posts.most(subject, many, posts.BATCH, posts.BATCHES, extent.posts)
    _say("(b) waiting until all of them are visible")
    await subject.drained()
    _say("(c) the whole way")
    way = await whole_way.flow(subject, workload, extent.whole_way)
    return {"singles": singles, "steady": steady, "batches": batches, "whole_way": way}


async def introduce(subject: Subject, workload: Workload) -> None:
    """Every known person once, in batches, until all have a profile."""
    calls = [call.body for call in workload.introductions()]
    bodies = [b",".join(calls[at : at + INTRODUCED]) for at in range(0, len(calls), INTRODUCED)]
    made = iter([request("/v1/batch", subject.write_key, b'{"batch":[%b]}' % body) for body in bodies])
    opened = await connect(subject.port, 2)
    load = Load(opened, lambda: next(made), INTRODUCED)
    load.allow(len(bodies))
    while load.accepted < len(calls):
        await asyncio.sleep(0.01)
        load.allow(len(bodies))
    close(opened)
    await subject.drained()


class Instant:
    """The ISO time of now, made anew every half second."""

    def __init__(self) -> None:
        self._until, self._text = 0.0, ""

    def __call__(self) -> str:
        now = time.time()
        if now > self._until:
            self._until = now + 0.5
            self._text = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return self._text


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
