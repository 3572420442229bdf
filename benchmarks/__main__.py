"""`python -m benchmarks`, or `make bench`: measure a platform of its own on this machine, and print the figures."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from benchmarks import audiences, lookups, machine, million, posts, report, whole_way
from benchmarks.introducing import introduce, say
from benchmarks.subject import ROOT, Subject, platform
from benchmarks.whole_way import WINDOW
from benchmarks.workload import Workload


class Extent(NamedTuple):
    """How much is measured: seconds of each part of (a) and (b), of (c), of each part of (d), how many people are known
    before, how many events may be on their way in (c), and how many touchpoints (f) takes: 0 leaves it out."""

    posts: float
    whole_way: float
    lookups: float
    people: int
    window: int
    touchpoints: int


WHOLE = Extent(10, 60, 5, 50_000, WINDOW, 0)
QUICK = Extent(0.5, 1, 0.3, 1_000, WINDOW // 10, 3_000)


def main() -> None:
    """Parse the options, measure, print."""
    options = _options()
    extent = QUICK if options.quick else WHOLE
    given = {name: value for name in Extent._fields if (value := getattr(options, name, None)) is not None}
    extent = extent._replace(**given)
    found: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "extent": extent._asdict()}
    with platform(options.data, options.config) as subject:
        found["machine"] = machine.describe(subject.folder)
        found |= uvloop.run(measure(subject, extent, everything=options.touchpoints is None))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        report.show(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only see that everything works: about ten seconds in all")
    parser.add_argument("--seconds", type=float, dest="whole_way", help="how long (c) lasts; else 60")
    parser.add_argument("--touchpoints", type=int, help="only (f), with so many; `make bench-million` takes 1000000")
    parser.add_argument("--people", type=int, help="people that are known before; else 50000")
    parser.add_argument("--data", type=Path, default=ROOT / ".cache", help="the disk to measure: a folder on it")
    parser.add_argument("--config", type=Path, default=ROOT / "config", help="the configuration folder to start from")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


async def measure(subject: Subject, extent: Extent, everything: bool) -> dict[str, Any]:
    """Everything in turn, or only (f); each part begins when all that was accepted before is visible."""
    workload, found = await introduce(subject, extent.people), dict[str, Any]()
    if everything:
        found = await _events(subject, workload, extent)
    if extent.touchpoints:
        say(f"(f) {extent.touchpoints:,} touchpoints")
        found["million"] = await million.measure(subject, workload, extent.touchpoints)
    return found


async def _events(subject: Subject, workload: Workload, extent: Extent) -> dict[str, Any]:
    one, many = posts.singles(subject, workload), posts.batches(subject, workload)
    say("(a) single events, as many as it takes")
    singles = await posts.most(subject, one, 1, posts.SINGLES, extent.posts)
    await subject.drained()
    say("(a) single events at half of that")
    rate = max(1.0, singles["per_second"] / 2)
    steady = await posts.steady_and_seen(subject, one, rate, posts.SINGLES, extent.posts)
    say("(d) people are looked up while events arrive")
    ways = await lookups.both_ways(subject, workload, extent.people, extent.lookups)
    await subject.drained()
    say("(e) audiences, by the stream's closures and by SQL")
    judged = audiences.judge(subject)
    say("(b) batches, as many as it takes")
    batches = await posts.most(subject, many, posts.BATCH, posts.BATCHES, extent.posts)
    say("(b) waiting until all of them are visible")
    await subject.drained()
    say("(c) the whole way")
    way = await whole_way.flow(subject, workload, extent.whole_way, extent.window)
    return {
        "singles": singles,
        "steady": steady,
        "lookups": ways,
        "audiences": judged,
        "batches": batches,
        "whole_way": way,
    }


if __name__ == "__main__":
    main()
