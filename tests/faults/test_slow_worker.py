"""A worker that gets a tenth of the time: the partitions of the others go on, and nothing piles up in memory."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from tests.faults.installation import installed

ON, OFF = 0.1, 0.9  # seconds
MOST = 400_000  # KiB that a worker may take


def test_a_slow_worker_holds_up_its_own_partitions_only(tmp_path: Path, kafka: Any) -> None:
    with installed(tmp_path, kafka.address) as ours:
        slow, quick = ours.start(count=2)
        stop = threading.Event()
        slowing = threading.Thread(target=_slow_down, args=(slow.process.pid, stop))
        slowing.start()
        most = 0
        with ours.feed(people=100, rounds=60, every=0.3) as feed:
            while feed.written < 6_000 and time.monotonic():
                most = max(most, *(_memory(worker.process.pid) for worker in (slow, quick)))
                time.sleep(0.2)
        stop.set()
        slowing.join()
        ours.settle()
        assert most < MOST
        ours.audit()


def _slow_down(pid: int, stop: threading.Event) -> None:
    while not stop.is_set():
        os.kill(pid, signal.SIGSTOP)
        stop.wait(OFF)
        os.kill(pid, signal.SIGCONT)
        time.sleep(ON)


def _memory(pid: int) -> int:
    """KiB of this process that are in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0
