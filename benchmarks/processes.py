"""What the processes of the platform cost: CPU seconds, memory and disk, as Linux counts them."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """User and system seconds of all threads of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def memory(pid: int) -> int:
    """Bytes in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def disk(folder: Path) -> dict[str, int]:
    """Bytes on disk of everything in the folder, by its first name: log.db with its write-ahead log, clickhouse, ..."""
    found: dict[str, int] = {}
    for inside, _, names in os.walk(folder):  # passes over folders that are merged away while it looks
        for path in (Path(inside, name) for name in names):
            first = path.relative_to(folder).parts[0].removesuffix("-wal").removesuffix("-shm")
            with suppress(FileNotFoundError):
                found[first] = found.get(first, 0) + path.lstat().st_blocks * 512
    return found


class Meter:
    """CPU seconds since it was made, of the named processes and of this one."""

    def __init__(self, pids: Mapping[str, int]):
        self._pids = {**pids, "generator": os.getpid()}
        self._began = {name: cpu(pid) for name, pid in self._pids.items()}

    def read(self) -> dict[str, float]:
        """By process."""
        return {name: cpu(pid) - self._began[name] for name, pid in self._pids.items()}
