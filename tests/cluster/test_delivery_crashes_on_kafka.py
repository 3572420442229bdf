"""Law 5 on a cluster: the worker may end between every two steps, of sending and of telling; nothing is sent twice, and
everything is told."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.runtime.followups.ledger import Ledger
from services.runtime.kafka.framing import Framed
from services.runtime.kafka.producer import FrameProducer
from services.runtime.kafka.reading import TopicReader
from services.runtime.settings import Settings
from services.runtime.workers import beginning
from services.runtime.workers.actions import KafkaActions
from services.runtime.workers.forwarding import Forwarding
from tests.automation.causes import calling, cause, rule, touchpoint
from tests.cluster.engines import published
from tests.cluster.followups import installation, publish
from tests.runtime.delivering import DAY, KINDS, World, a_world, every
from tests.runtime.test_delivery_crashes import Crash, Fuse, FusedLedger, FusedSender, check


class TellingLedger(FusedLedger):
    """Its process can end around what the forwarding does, too."""

    def trim(self, *args: Any, **more: Any) -> Any:
        return self._around("trim", super().trim, *args, **more)


class FusedProducer(FrameProducer):
    """A producer whose process can end before and after a delivery."""

    fuse: Fuse

    def deliver(self, frames: Any) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self._around(list(frames)))

    async def _around(self, frames: list[Framed]) -> None:
        self.fuse.step("before telling")
        await super().deliver(frames)
        self.fuse.step("after telling")


class Place:
    """An installation, and the world that its follow-ups go to."""

    def __init__(self, settings: Settings, world: World, runner: asyncio.Runner):
        self.settings, self.world, self.runner = settings, world, runner
        self.reader, self.producer = TopicReader(settings, "actions", "tests"), FusedProducer(settings, "tests")

    async def life(self, path: Path, fuse: Fuse) -> bool:
        """One life of the worker. Returns whether it came to its end by itself."""
        ledger, producer = TellingLedger(path), self.producer
        ledger.fuse = producer.fuse = fuse
        senders: Any = {kind: FusedSender(sender, fuse) for kind, sender in self.world.senders().items()}
        self.world.topic = KafkaActions(self.reader)  # type: ignore[assignment]
        stop = asyncio.Event()
        parts = [self.world.delivery(ledger, senders).run(stop), Forwarding(ledger, producer, self.settings).run(stop)]
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            while not any(task.done() for task in tasks) and not self.settled(ledger):
                await asyncio.sleep(0.001)
            stop.set()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            ledger.close()
        wrong = [one for one in ended if isinstance(one, BaseException)]
        assert all(isinstance(one, Crash) for one in wrong), wrong
        return not wrong

    def settled(self, ledger: Ledger) -> bool:
        """Whether all is taken, nothing due or under way, and all of it told."""
        taken = sum(ledger.positions(self.world.topic.incarnations).values()) == sum(self.ends.values())
        attempting = [send for send in every(ledger) if send.status == "attempting"]
        due = [kind for kind in KINDS if ledger.due(kind, self.world.now, 1)]
        untold = ledger._db.execute("SELECT 1 FROM frames").fetchone()
        return taken and not due and not attempting and not untold

    def decide(self, path: Path, names: list[str]) -> None:
        """A new ledger, and what is decided from then on, of these touchpoints."""
        self.world.reset()
        email = rule().model_dump(by_alias=True)["then"][0]
        self.world.rules = [rule(name="all", then=[email, calling(self.world.url())])]
        ledger = Ledger(path)
        beginning.begin(ledger, self.reader, True, self.world.now)
        ledger.close()
        self.world.decide(*(cause(touchpoint(name)) for name in names))
        publish(self.settings, self.world.topic.lines)
        self.ends = self.reader.ends()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, kafka: Any, redis_server: Any) -> Iterator[Place]:
    settings = installation(kafka.address, redis_server.url, tmp_path_factory.mktemp("crashes"))
    with a_world() as (world, runner):
        yield Place(settings, world, runner)


def test_the_worker_may_end_between_every_two_steps(place: Place, tmp_path: Path) -> None:
    passed: Counter[str] = Counter()
    became: dict[str, str] = {}
    for at in range(100):
        path = tmp_path / f"{at}.db"
        names = [f"{at}a", f"{at}b"]
        place.decide(path, names)
        ended = place.runner.run(place.life(path, Fuse(at, passed)))
        place.world.now += DAY
        assert place.runner.run(place.life(path, Fuse(10_000, Counter())))
        ledger = Ledger(path)
        rows = every(ledger)
        ledger.close()
        check(place.world, rows, {f"main/all/{step}//{name}" for name in names for step in (0, 1)})
        became |= {send.key: send.status for send in rows}
        if ended:
            break
    assert {one["key"]: one["status"] for one in published(place.settings, "deliveries")} == became
    assert ended, f"every step was one to end at: {passed}"
    assert {"before telling", "after telling", "before trim", "after trim", "before send", "after note"} <= set(passed)
