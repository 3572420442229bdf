"""The figures of a million touchpoints as tables for people."""

from typing import Any

from rich.console import Console

from benchmarks.tables import table

MEBI = 2**20


def show(console: Console, found: dict[str, Any]) -> None:
    """Print everything."""
    memory, growth = found["memory_bytes"], found["growth"]
    console.print(f"(f) {found['touchpoints']:,} touchpoints, {found['per_second']:,.0f}/s until they are visible")
    rows = [
        (name, *(f"{held[name] / MEBI:,.0f}" for held in memory.values()), f"{growth[name]:.2f}", _said(found, name))
        for name in growth
    ]
    columns = ("process", *memory, "end / halfway", "")
    table(console, "Memory, MB resident: the most in the tenth of the touchpoints up to", columns, rows)
    sizes = [(name, f"{size / MEBI:,.0f}") for name, size in found["disk_bytes_per_million"].items() if size > MEBI / 2]
    sizes.append(("all", f"{sum(found['disk_bytes_per_million'].values()) / MEBI:,.0f}"))
    table(console, "Disk", ("file", "MB a million touchpoints"), sizes)
    table(console, "Counted in the end", ("where", "events"), ((k, f"{v:,}") for k, v in found["books"].items()))


def _said(found: dict[str, Any], name: str) -> str:
    return "GROWS" if name in found["grows"] else "flat"
