"""`rapport worker STAGE` that kills itself (-9) when it comes to a step, and lives again to come to the next one.

No signal from outside can time that. `python -m tests.faults.dying_worker STAGE`. The steps are wrapped from here; the
product knows nothing of it.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from services.runtime import logs
from services.runtime.handler import Handler
from services.runtime.kafka.fenced import FencedProducer
from services.runtime.kafka.producer import FrameProducer
from services.runtime.kafka.publisher import KafkaPublisher
from services.runtime.redis.state import RedisState
from services.runtime.settings import Settings
from services.runtime.workers import engine, process
from services.runtime.workers.partition import Partition

FIRST = ("loaded", "taken over")  # of a partition: before and after the former owner is put out
ALWAYS = ("gathered", "decided", "published", "written", "handled")
FRAMES = ("half of the frames",)  # where internal messages go to several partitions
PUBLIC = ("transaction open", "transaction committed")  # where public ones are
BOTH = ("frames alone", "transaction alone")  # where both are
TIMED = ("fired",)  # where wake-ups are: told, and not written yet
STEPS = {
    "fold": (*FIRST, *ALWAYS, *FRAMES),
    "identity": (*FIRST, *ALWAYS, *FRAMES, *PUBLIC, *BOTH),
    "assemble": (*FIRST, *ALWAYS, *PUBLIC, *BOTH, *TIMED),
    "accounts": (*FIRST, *ALWAYS, *PUBLIC),
    "rules": (*FIRST, *ALWAYS, *PUBLIC, *TIMED),
}
WITHIN = 45  # seconds in which a worker must come to its step
LEFT = 0.3  # seconds for what is on its way to arrive, where the step says that it has


class Death:
    """Comes at the step, for the n-th time."""

    def __init__(self, step: str, nth: int):
        self.step, self._left = step, nth
        self.alone = False  # whether the transaction under way was put before the frames that belong to it

    def at(self, step: str) -> None:
        """This step is there now."""
        if step == self.step:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put a wrapper around a method."""
    setattr(owner, name, wrap(getattr(owner, name)))


def around(death: Death, owner: Any, name: str, first: str = "", last: str = "") -> None:
    """Death may come before an asynchronous method, and after it."""

    def wrap(method: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapped(self: Any, *given: Any) -> Any:
            death.at(first)
            found = await method(self, *given)
            death.at(last)
            return found

        return wrapped

    before(owner, name, wrap)


def arrange(death: Death) -> None:
    """Wrap every step."""
    around(death, RedisState, "load", last="loaded")
    around(death, KafkaPublisher, "take_over", last="taken over")
    around(death, Handler, "_gather", last="gathered")
    around(death, KafkaPublisher, "publish", first="decided", last="published")
    around(death, RedisState, "write", last="written")
    around(death, Partition, "_handle", last="handled")
    before(RedisState, "write", lambda method: _fired(death, method))
    before(FrameProducer, "deliver", lambda method: _partly(death, method))
    before(KafkaPublisher, "_sorted", lambda method: _first(death, method))
    before(FencedProducer, "publish", lambda method: _alone(death, method))
    before(FencedProducer, "_commit", lambda method: _open(death, method))


def _fired(death: Death, method: Callable[..., Any]) -> Callable[..., Any]:
    async def write(self: RedisState, token: int, what: Any) -> Any:
        if what.fired:
            death.at("fired")
        return await method(self, token, what)

    return write


def _partly(death: Death, method: Callable[..., Any]) -> Callable[..., Any]:
    """Half of the frames arrive."""

    def deliver(self: FrameProducer, frames: Any) -> Any:
        if death.step == "half of the frames" and len(frames) > 1:
            method(self, frames[: len(frames) // 2])
            self._producer.flush(5)
            death.at("half of the frames")
            return method(self, frames[len(frames) // 2 :])
        return method(self, frames)

    return deliver


def _first(death: Death, method: Callable[..., Any]) -> Callable[..., Any]:
    """Nothing but the transaction arrives, where there are frames as well."""

    def sort(self: KafkaPublisher, emits: Any) -> Any:
        lines, public = method(self, emits)
        death.alone = death.step == "transaction alone" and bool(lines and public)
        return ({}, public) if death.alone else (lines, public)

    return sort


def _alone(death: Death, method: Callable[..., Any]) -> Callable[..., Any]:
    def publish(self: FencedProducer, messages: Any) -> None:
        if death.step == "frames alone":
            time.sleep(LEFT)
        death.at("frames alone")
        method(self, messages)
        death.at("transaction committed")
        if death.alone:
            death.at("transaction alone")

    return publish


def _open(death: Death, method: Callable[..., Any]) -> Callable[..., Any]:
    def commit(self: FencedProducer, producer: Any, until: float) -> None:
        if death.step == "transaction open":
            producer.flush(LEFT)
        death.at("transaction open")
        method(self, producer, until)

    return commit


def say(what: str) -> None:
    """To the log, at once."""
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


def live(stage: str, step: str, nth: int) -> None:
    """Work until death. The consumer group is this life's own: nobody waits for the session of the former to end."""
    engine.StageApp = partial(_alone_in_its_group, engine.StageApp)  # type: ignore[assignment,misc]
    arrange(Death(step, nth))
    process.serve(Settings(), [stage], lambda port: say(f"{step}: at work"))


def _alone_in_its_group(app: Callable[..., Any], prefix: str, *given: Any) -> Any:
    return app(f"{prefix}life-{os.getpid()}-", *given)


def main() -> None:
    """One life after the other, each ended at another step; and then a long one, in which the others find what is told.
    Whoever does not die when it should is said to be WRONG."""
    stage = sys.argv[1]
    logs.configure(stage)
    for number, step in enumerate(STEPS[stage]):
        pid = os.fork()  # nothing runs here yet, and a new interpreter would take seconds
        if not pid:
            live(stage, step, 1 + number % 2 if step in ALWAYS else 1)
            os._exit(0)
        until = time.monotonic() + WITHIN
        while not (ended := os.waitpid(pid, os.WNOHANG))[0] and time.monotonic() < until:
            time.sleep(0.05)
        if not ended[0]:
            say(f"WRONG: it has not come to {step!r}")
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        elif ended[1] != signal.SIGKILL:
            say(f"WRONG: {step!r} has ended with {ended[1]}")
    process.serve(Settings(), [stage], lambda port: say("for good: at work"))


if __name__ == "__main__":
    main()
