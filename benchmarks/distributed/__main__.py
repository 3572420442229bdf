"""`python -m benchmarks.distributed`, or `make bench-distributed`: measure a cluster of its own on this machine.

Starts Kafka and Redis on free ports in a folder of its own, with workers that come and go, and stops and removes all.
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import machine
from benchmarks.distributed import accepted, embedded, flow, recovery, report
from benchmarks.distributed.feeding import Feed
from benchmarks.distributed.installation import Installation, alike, installed, pids, working
from benchmarks.distributed.seen import Seen
from benchmarks.introducing import say
from benchmarks.subject import ROOT

PARTS = "abcd"
LOW = 50.0  # events/s that are few


class Extent(NamedTuple):
    """How much is measured: people known before, events of each run of (a) and (b), lines of a frame in (a), numbers of
    workers besides one, sizes of frames in (b), its steady rate (events/s), seconds of each steady run, ways of (d).
    """

    people: int
    events: int
    cut: int
    workers: tuple[int, ...]
    cuts: tuple[int, ...]
    rate: float
    seconds: float
    ways: tuple[str, ...]


WHOLE = Extent(20_000, 60_000, 100, (2, 4), (1, 10, 100, 1_000), 1_000, 15, tuple(recovery.WAYS))
QUICK = Extent(500, 1_500, 50, (), (1, 50), 100, 1, tuple(recovery.WAYS)[2:])


def main() -> None:
    """Parse the options, measure, print."""
    options = _options()
    extent = QUICK if options.quick else WHOLE
    given = {name: value for name in Extent._fields if (value := getattr(options, name, None)) is not None}
    extent = extent._replace(**given)
    found: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "extent": extent._asdict()}
    found["partitions"] = options.partitions
    with installed(options.data, options.config, options.partitions, options.quick) as installation:
        found["machine"] = machine.describe(installation.folder)
        found |= measure(installation, extent, options.parts)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        report.show(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.distributed", description=__doc__, formatter_class=argparse.RawTextHelpFormatter,
        epilog="examples:\n  python -m benchmarks.distributed --parts a --workers 2\n"
        "  python -m benchmarks.distributed --parts ab --partitions 64 --json",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="only see that everything works; its figures say nothing")
    parser.add_argument("--parts", default=PARTS, help="which parts: a flow, b frames, c latency, d kills; else abcd")
    parser.add_argument("--events", type=int, help=f"events of each run of (a) and (b); else {WHOLE.events}")
    parser.add_argument("--people", type=int, help=f"people that are known before; else {WHOLE.people}")
    parser.add_argument("--workers", type=int, nargs="*", help="numbers of workers besides one in (a); else 2 4")
    parser.add_argument("--cut", type=int, help=f"events in a collector's frame in (a); else {WHOLE.cut}")
    parser.add_argument("--partitions", type=int, default=8, help="partitions of each topic; else 8")
    parser.add_argument("--data", type=Path, default=ROOT / ".cache", help="a folder on the disk to measure")
    parser.add_argument("--config", type=Path, default=ROOT / "config", help="the configuration folder to start from")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


def measure(installation: Installation, extent: Extent, parts: str) -> dict[str, Any]:
    """The parts in turn, over one state; each begins when all that was written before is visible."""
    feed, found = Feed(installation.settings, extent.people), dict[str, Any]()
    introduced, cut = feed.introductions(), extent.cut
    say(f"the embedded engine: {extent.events:,} events")
    events = feed.events(extent.events)
    found["embedded_us"] = embedded.cost(installation.settings, installation.folder, introduced, events, cut)
    seen = Seen(installation.settings)
    run = flow.Run(installation, feed, seen, extent.events, cut)
    try:
        with working(installation, alike(1)) as one:
            say(f"{extent.people:,} people introduce themselves")
            flow.push(feed, seen, introduced, cut)
            found |= _by_one(run, extent, parts, pids(one.processes))
        if "a" in parts:
            found["crews"] |= flow.crews(run, extent.workers)
            found["kafka_bytes_per_event"] = {name: size / feed.sent for name, size in installation.on_disk().items()}
        if "d" in parts:
            rate, seconds = extent.rate / 4, 2 * extent.seconds
            found["recovery"] = recovery.kills(installation, feed, seen, extent.ways, rate, seconds)
    finally:
        seen.close()
    found["books"] = {"written": feed.sent, "in profiles": seen.total}
    return found


def _by_one(run: flow.Run, extent: Extent, parts: str, workers: dict[str, int]) -> dict[str, Any]:
    """What is measured of one worker that does everything."""
    found: dict[str, Any] = {}
    if "a" in parts:
        say(f"(a) {extent.events:,} events, workers: 1")
        found["crews"] = {"1": flow.carried(run, workers)}
    if "b" in parts:
        found["frames"] = flow.sizes(run, workers, extent.cuts, extent.rate, extent.seconds)
    if "c" in parts:
        most = found["crews"]["1"]["per_second"] if "crews" in found else extent.rate
        found["latency"] = accepted.loads(run, workers, {"low": LOW, "half": most / 2}, extent.seconds)
    return found


if __name__ == "__main__":
    main()
