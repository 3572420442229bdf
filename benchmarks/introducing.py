"""The people whom the platform knows before anything is measured."""

import asyncio
import gc
import sys
import time
import uuid
from datetime import UTC, datetime

from benchmarks.client import Load, accepted, close, connect, request
from benchmarks.subject import Subject
from benchmarks.workload import Workload

TOGETHER = 500  # people in one batch


async def introduce(subject: Subject, people: int) -> Workload:
    """Every known person once, in batches, until all have a profile. Returns what these people do from now on."""
    gc.freeze()
    gc.disable()  # the generator makes no cycles, and shares its core with what it measures
    say(f"{people:,} people introduce themselves")
    workload = Workload(people, Instant(), uuid.uuid4().hex[:8])
    calls = [call.body for call in workload.introductions()]
    bodies = [b",".join(calls[at : at + TOGETHER]) for at in range(0, len(calls), TOGETHER)]
    made = iter([request("/v1/batch", subject.write_key, b'{"batch":[%b]}' % body) for body in bodies])
    opened = await connect(subject.port, 2)
    load = Load(opened, lambda: next(made), 1, count=lambda answer: 1 if accepted(answer) > 0 else -1)
    load.allow(len(bodies))
    while load.counted < len(bodies):
        await asyncio.sleep(0.01)
        load.allow(len(bodies))
    close(opened)
    await subject.drained()
    return workload


class Instant:
    """The ISO time of now, made anew every half second."""

    def __init__(self) -> None:
        self._until, self._text = 0.0, ""

    def __call__(self) -> str:
        now = time.time()
        if now > self._until:
            self._until = now + 0.5
            self._text = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return self._text


def say(what: str) -> None:
    """Tell who waits what is going on."""
    print(what, file=sys.stderr, flush=True)
