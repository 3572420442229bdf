"""What the figures depend on: the machine, the versions, and how long its disk takes to make something durable."""

import os
import platform
import sqlite3
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

PROBES = 200


def describe(folder: Path) -> dict[str, Any]:
    """The machine in words and figures; `fdatasync_ms` is the median of writing 4 KB durably into `folder`."""
    durable = fdatasyncs(folder / "probe")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "chdb": version("chdb"),
        "load_before": round(os.getloadavg()[0], 2),
        "fdatasync_ms": round(statistics.median(durable) * 1000, 3),
        "fdatasync_p99_ms": round(sorted(durable)[int(PROBES * 0.99)] * 1000, 3),
    }


def fdatasyncs(path: Path) -> list[float]:
    """Seconds of each of PROBES writes of 4 KB with fdatasync."""
    taken = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(PROBES):
            began = time.perf_counter()
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            taken.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return taken


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
