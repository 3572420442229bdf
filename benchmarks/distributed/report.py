"""The figures as tables for people."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from benchmarks.tables import table
from services.pipeline import STAGES

SERVICES = ("kafka-1", "redis")
AIMS = {"ratio": 2, "p99_ms": 250, "back_s": 15}
"""What the cluster is built to reach (for comparison only: nothing fails here)."""

_CREWS = ("workers", "events/s", "CPU µs", "of embedded", "Kafka µs", "Redis µs", "cores", "events/s a core", "docs")
_FRAMES = ("a frame", "events/s", "CPU µs", "Kafka µs", "Redis µs", "p50", "p99")
_LATENCY = ("load", "events/s", "2xx p50", "p99", "`profiles` p50", "p99", "aim")


def show(found: dict[str, Any]) -> None:
    """Print everything that was measured."""
    console = Console(highlight=False)
    table(console, "This machine", ("", ""), found["machine"].items())
    base = found["embedded_us"]
    table(console, "Embedded engine, for each event", ("stage", "CPU µs"), ((k, f"{v:.1f}") for k, v in base.items()))
    if "crews" in found:
        _show_crews(console, found, base)
    if "frames" in found:
        title = "(b) frames: as many as go; and from due to visible at a steady rate"
        table(console, title, _FRAMES, (_frame(cut, one) for cut, one in found["frames"].items()))
    if "latency" in found:
        title = "(c) from due to 2xx, and from 2xx to `profiles`"
        table(console, title, _LATENCY, (_latency(*one) for one in found["latency"].items()))
    if "recovery" in found:
        waits = ((way, f"{one['seconds']:.1f} s", f"{AIMS['back_s']} s") for way, one in found["recovery"].items())
        table(console, "(d) kill -9 of a worker: until its people's news go on", ("", "longest wait", "aim"), waits)
    table(console, "Counted in the end", ("where", "events"), ((k, f"{v:,}") for k, v in found["books"].items()))


def _show_crews(console: Console, found: dict[str, Any], base: dict[str, float]) -> None:
    crews, each = found["crews"], found["crews"]["by stage"]
    title = "(a) to `profiles`; CPU for each event, aim: 2 times the embedded engine's"
    table(console, title, _CREWS, (_crew(name, one, base["engine"]) for name, one in crews.items()))
    new = each["newcomer_us"]
    stages = (
        (stage, f"{each['cpu_us'][stage]:.1f}", f"{base.get(stage, 0):.1f}", f"{new[stage]:.0f}") for stage in STAGES
    )
    table(console, "(a) one worker for each stage", ("stage", "CPU µs", "embedded", "for a new person"), stages)
    held = ((name, f"{size / 2**20:,.0f} MB") for name, size in each["memory_bytes"].items())
    table(console, "Memory", ("process", "resident"), held)
    table(console, "On Kafka's disk", ("topic", "bytes an event"), _disk(found["kafka_bytes_per_event"]))
    asked = ((name, f"{value:.2f}") for name, value in each["redis"].items())
    table(console, "Redis, for each event", ("what", ""), asked)


def _workers(one: dict[str, Any], figure: str) -> float:
    return float(sum(value for name, value in one[figure].items() if name not in SERVICES))


def _crew(name: str, one: dict[str, Any], base: float) -> tuple[str, ...]:
    cpu, busy = _workers(one, "cpu_us"), sum(one["cores"].values())
    services = (f"{one['cpu_us'][service]:.0f}" for service in SERVICES)
    rate = one["per_second"]
    told = f"{rate:,.0f}", f"{cpu:.0f}", f"{cpu / base:.2f}", *services, f"{busy:.2f}", f"{rate / busy:,.0f}"
    return name, *told, f"{one['documents']:.2f}"


def _frame(cut: Any, one: dict[str, Any]) -> tuple[str, ...]:
    services = (f"{one['cpu_us'][service]:.0f}" for service in SERVICES)
    waits = (f"{one[name]:,.0f} ms" for name in ("p50_ms", "p99_ms"))
    return f"{int(cut):,}", f"{one['per_second']:,.0f}", f"{_workers(one, 'cpu_us'):.0f}", *services, *waits


def _latency(load: str, one: dict[str, Any]) -> tuple[str, ...]:
    names = ("answered_p50_ms", "answered_p99_ms", "visible_p50_ms", "visible_p99_ms")
    waits = (f"{one[name]:,.0f} ms" for name in names)
    return load, f"{one['rate']:,.0f}", *waits, f"{AIMS['p99_ms']} ms" if load == "low" else ""


def _disk(sizes: dict[str, float]) -> Iterator[tuple[str, str]]:
    for name, size in sorted(sizes.items(), key=lambda one: -one[1]):
        if size >= 0.5:
            yield name, f"{size:,.0f}"
