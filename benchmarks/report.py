"""The figures as tables for people."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console

from benchmarks import report_of_million
from benchmarks.tables import table

AIMS = {"singles": 5_000, "p99_ms": 25, "batches": 50_000, "whole_way": 12_000}
"""What the platform is built to reach on two cores (for comparison only: nothing fails here)."""

STAGES = ("decode", "fold", "identity", "assemble", "rules", "commit", "warehouse")


def show(found: dict[str, Any]) -> None:
    """Print everything that was measured."""
    console = Console(highlight=False)
    table(console, "This machine", ("", ""), found["machine"].items())
    if "whole_way" in found:
        _show_events(console, found)
    if "audiences" in found:
        table(console, "People", ("what", "measured", ""), [*_lookups(found["lookups"]), *_judged(found["audiences"])])
        table(console, "Audiences, by kind of condition", _COLUMNS, _kinds(found["audiences"]))
    if "million" in found:
        report_of_million.show(console, found["million"])


def _show_events(console: Console, found: dict[str, Any]) -> None:
    singles, steady, batches, way = (found[part] for part in ("singles", "steady", "batches", "whole_way"))
    table(console, "How fast", ("what", "measured", "aim on 2 cores"), _speed(singles, steady, batches, way))
    parts = (("single events", singles), ("half of that", steady), ("batches", batches), ("whole way", way))
    processes = list(way["cpu"])
    rows = [(name, *(f"{part['cpu'][process]:.2f}" for process in processes)) for name, part in parts]
    table(console, "Cores in use", ("", *processes), rows)
    table(console, "The whole way, for each event", ("part", "CPU µs", "messages"), _costs(way))
    held = [(name, f"{size / 2**20:,.0f} MB") for name, size in way["memory_bytes"].items()]
    table(console, "Memory", ("process", "resident"), held)
    sizes = [(name, f"{size:,.0f}") for name, size in way["disk_bytes_per_event"].items() if size >= 0.5]
    sizes.append(("all", f"{sum(way['disk_bytes_per_event'].values()):,.0f}"))
    table(console, "Disk", ("file", "bytes an event"), sizes)
    table(console, "Counted in the end", ("where", "events"), ((k, f"{v:,}") for k, v in way["books"].items()))


def _speed(
    singles: dict[str, Any], steady: dict[str, Any], batches: dict[str, Any], way: dict[str, Any]
) -> Iterable[tuple[str, str, str]]:
    yield "(a) single events, durable", f"{singles['per_second']:,.0f}/s", f"{AIMS['singles']:,}/s"
    yield f"    at {steady['rate']:,.0f}/s: p50", f"{steady['p50_ms']:.1f} ms", ""
    yield "    p99", f"{steady['p99_ms']:.1f} ms", f"{AIMS['p99_ms']} ms"
    yield "    p99.9", f"{steady['p999_ms']:.1f} ms", ""
    yield "    longest", f"{steady['max_ms']:.1f} ms", ""
    yield "    visible in profiles and ClickHouse after: p50", f"{steady['visible_after_p50_s']:.1f} s", ""
    yield "    p99", f"{steady['visible_after_p99_s']:.1f} s", ""
    yield "(b) in batches of 100, accepted", f"{batches['per_second']:,.0f}/s", f"{AIMS['batches']:,}/s"
    yield (
        f"(c) visible in profiles and ClickHouse, {way['seconds']:.0f} s",
        f"{way['per_second']:,.0f}/s",
        f"{AIMS['whole_way']:,}/s",
    )
    yield "    after: p50", f"{way['visible_after_p50_s']:.1f} s", ""
    yield "    p99", f"{way['visible_after_p99_s']:.1f} s", ""
    yield "    on their way at the end", f"{way['lag_events']:,}", ""


def _lookups(lookups: dict[str, Any]) -> Iterable[tuple[str, str, str]]:
    beside = f"beside {lookups['events_per_second']:,.0f} events/s"
    for way, measured in lookups["ways"].items():
        full, half = measured["full"], measured["half"]
        yield f"(d) look-ups {way}", f"{full['per_second']:,.0f}/s", beside
        for name in ("p50", "p99"):
            yield f"    at {half['rate']:,.0f}/s: {name}", f"{half[f'{name}_ms']:.1f} ms", ""


def _judged(judged: dict[str, Any]) -> Iterable[tuple[str, str, str]]:
    closures, sql, many = judged["closures"], judged["sql"], len(judged["sql"]["each"])
    person = closures["us_per_person"]
    yield (
        "(e) by closures: audiences of people judged",
        f"{many / person * 1e6:,.0f}/s",
        f"{closures['people']:,} people",
    )
    yield f"    all {many} of one person", f"{person:.1f} µs", ""
    rate, size = many * sql["people"] / sql["seconds"], f"{sql['people']:,} people, {sql['touchpoints']:,} touchpoints"
    yield "    judged by SQL, from touchpoints", f"{rate:,.0f}/s", size
    yield f"    all {many} of everybody", f"{sql['seconds']:.2f} s", f"{sql['cpu_seconds']:.2f} s of CPU"


_COLUMNS = ("kind", "closure, µs a person", "SQL, s for all", "CPU, s")


def _kinds(judged: dict[str, Any]) -> Iterable[tuple[str, str, str, str]]:
    for kind, us in sorted(judged["closures"]["each_us_per_person"].items()):
        asked = judged["sql"]["each"][kind]
        yield kind.replace("_", " "), f"{us:.2f}", f"{asked['seconds']:.2f}", f"{asked['cpu_seconds']:.2f}"


def _costs(way: dict[str, Any]) -> Iterable[tuple[str, str, str]]:
    for process, cost in way["cpu_us_per_event"].items():
        yield process, f"{cost:.1f}", ""
        if process == "engine":
            for stage in STAGES:
                if stage in way["stages"] and stage != "warehouse":
                    one = way["stages"][stage]
                    yield f"    {stage}", f"{one['us_per_event']:.1f}", f"{one['messages_per_event']:.2f}"
