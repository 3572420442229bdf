"""The figures as tables for people."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

AIMS = {"singles": 5_000, "p99_ms": 25, "batches": 50_000, "whole_way": 12_000}
"""What the platform is built to reach on two cores (for comparison only: nothing fails here)."""

STAGES = ("decode", "fold", "identity", "assemble", "rules", "commit", "warehouse")


def show(found: dict[str, Any]) -> None:
    """Print everything."""
    console = Console(highlight=False, width=None)
    machine, singles, steady, batches, way = (
        found[part] for part in ("machine", "singles", "steady", "batches", "whole_way")
    )
    _table(console, "This machine", ("", ""), machine.items())
    _table(console, "How fast", ("what", "measured", "aim on 2 cores"), _speed(singles, steady, batches, way))
    parts = (("single events", singles), ("half of that", steady), ("batches", batches), ("whole way", way))
    processes = list(way["cpu"])
    rows = [(name, *(f"{part['cpu'][process]:.2f}" for process in processes)) for name, part in parts]
    _table(console, "Cores in use", ("", *processes), rows)
    _table(console, "The whole way, for each event", ("part", "CPU µs", "messages"), _costs(way))
    held = [(name, f"{size / 2**20:,.0f} MB") for name, size in way["memory_bytes"].items()]
    _table(console, "Memory", ("process", "resident"), held)
    sizes = [(name, f"{size:,.0f}") for name, size in way["disk_bytes_per_event"].items() if size >= 0.5]
    sizes.append(("all", f"{sum(way['disk_bytes_per_event'].values()):,.0f}"))
    _table(console, "Disk", ("file", "bytes an event"), sizes)
    _table(console, "Counted in the end", ("where", "events"), ((k, f"{v:,}") for k, v in way["books"].items()))


def _speed(
    singles: dict[str, Any], steady: dict[str, Any], batches: dict[str, Any], way: dict[str, Any]
) -> Iterable[tuple[str, str, str]]:
    yield "(a) single events, durable", f"{singles['events_per_second']:,.0f}/s", f"{AIMS['singles']:,}/s"
    yield f"    at {steady['rate']:,.0f}/s: p50", f"{steady['p50_ms']:.1f} ms", ""
    yield "    p99", f"{steady['p99_ms']:.1f} ms", f"{AIMS['p99_ms']} ms"
    yield "    p99.9", f"{steady['p999_ms']:.1f} ms", ""
    yield "    longest", f"{steady['max_ms']:.1f} ms", ""
    yield "    visible in profiles and ClickHouse after: p50", f"{steady['visible_after_p50_s']:.1f} s", ""
    yield "    p99", f"{steady['visible_after_p99_s']:.1f} s", ""
    yield "(b) in batches of 100, accepted", f"{batches['events_per_second']:,.0f}/s", f"{AIMS['batches']:,}/s"
    yield (
        f"(c) visible in profiles and ClickHouse, {way['seconds']:.0f} s",
        f"{way['events_per_second']:,.0f}/s",
        f"{AIMS['whole_way']:,}/s",
    )
    yield "    after: p50", f"{way['visible_after_p50_s']:.1f} s", ""
    yield "    p99", f"{way['visible_after_p99_s']:.1f} s", ""
    yield "    on their way at the end", f"{way['lag_events']:,}", ""


def _costs(way: dict[str, Any]) -> Iterable[tuple[str, str, str]]:
    for process, cost in way["cpu_us_per_event"].items():
        yield process, f"{cost:.1f}", ""
        if process == "engine":
            for stage in STAGES:
                if stage in way["stages"] and stage != "warehouse":
                    one = way["stages"][stage]
                    yield f"    {stage}", f"{one['us_per_event']:.1f}", f"{one['messages_per_event']:.2f}"


def _table(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold", show_header=any(columns))
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number and columns[number] else "left")
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)
