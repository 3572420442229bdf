"""Every metric of the runtime, by name, in one list. The processes of a family share them through small files.

`share` must run in the parent before any process imports prometheus_client; /metrics then adds up all processes.
"""

import os
import shutil
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

SHARED = "PROMETHEUS_MULTIPROC_DIR"
ROOM = 1024 * 1024  # bytes that prometheus_client gives a file; ours never need more

STAGE_SECONDS = Counter("rapport_stage_seconds", "CPU-bound seconds spent in a stage", ["stage"])
STAGE_MESSAGES = Counter("rapport_stage_messages", "Messages that a stage handled", ["stage"])
FRAME_SECONDS = Histogram("rapport_frame_seconds", "Seconds from reading a frame to its written state", ["stage"])
PARTITIONS = Gauge("rapport_partitions", "Partitions that this worker owns", ["stage"], multiprocess_mode="max")
REBALANCES = Counter("rapport_rebalances", "How often partitions were given to this worker", ["stage"])
LOADED = Counter("rapport_states_loaded", "How often a partition took its state up", ["stage", "reason"])
BEHIND = Gauge(
    "rapport_lag_messages", "Messages of the log that a stage has not handled", ["stage"], multiprocess_mode="max"
)
LAG = Gauge(
    "rapport_lag_frames", "Frames of the log that a reader has not handled", ["reader"], multiprocess_mode="max"
)
WAREHOUSE_LAG = Gauge(
    "rapport_warehouse_lag_frames", "Frames of a topic that the warehouse has yet to copy", ["topic"],
    multiprocess_mode="max",
)  # fmt: skip
FAILING = Gauge("rapport_failing", "1 while a part fails and tries again", ["part"], multiprocess_mode="max")
FRAMES = Counter("rapport_frames", "Frames handed to Kafka, by topic", ["topic"])
FRAME_LINES = Counter("rapport_frame_lines", "Messages in these frames, by topic", ["topic"])
DELIVERY_SECONDS = Histogram("rapport_delivery_seconds", "Seconds until Kafka had what was handed to it together")
TRANSACTION_SECONDS = Histogram("rapport_transaction_seconds", "Seconds of a transaction on the public topics")
WAITING = Gauge("rapport_waiting_bytes", "Bytes that a collector holds until Kafka has them", multiprocess_mode="sum")
TRIMMED = Counter("rapport_trimmed_frames", "Frames that left the log, by topic", ["topic"])


def share(folder: Path) -> None:
    """Let the processes started from here on share their metrics through this folder; it is emptied."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[SHARED] = str(folder)


def reserve() -> None:
    """Give this process's files their room on the disk. They are mapped into memory, and on a full disk the first
    write to a page that has no room yet would end the process (SIGBUS). Raises OSError when there is no room now."""
    for kind in ("counter", "histogram", "gauge_max"):
        with (Path(os.environ[SHARED]) / f"{kind}_{os.getpid()}.db").open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, ROOM)


def spent(stage: str, messages: int, seconds: float) -> None:
    """Book the time that a stage took for so many messages."""
    STAGE_SECONDS.labels(stage).inc(seconds)
    STAGE_MESSAGES.labels(stage).inc(messages)
