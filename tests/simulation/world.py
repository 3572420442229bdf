"""The real stages under faults: crashes between any two steps, two owners of a partition at once, stores that forget.

The shape follows the reference model of the protocol; the processors, the handler and the encodings are the real ones.
Everything random comes from one seed.
"""

import random
import zlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from schemas import fast
from schemas.fast import Touchpoint
from schemas.identifiers import profile_id
from services.errors import Fenced
from services.identifiers import DEFAULT_RULES, IdentityRules
from services.processor import Emit, Processor
from services.runtime.handler import Handler
from services.runtime.memory import MemoryLog, MemoryState
from services.runtime.ports import Write

SINGLE = frozenset({"evidence"})  # topics with one partition
CALM = 300  # ticks after which the faults stop
LATER = 10 * 86_400_000  # ms: when the world ends, everything is long due
Result = TypeVar("Result")


def done(step: Coroutine[Any, Any, Result]) -> Result:
    """What a step returns. Nothing here waits, and an event loop for each step would take most of the time."""
    try:
        step.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise AssertionError("a step waits for something")


class Crash(Exception):
    """The worker ends here."""


class Faulty:
    """A worker's way to its store and to the log; it may end the worker before any publish and any write."""

    def __init__(self, world: "World", state: MemoryState):
        self._world, self._state = world, state
        self.load, self.get, self.due = state.load, state.get, state.due

    async def publish(self, emits: Sequence[Emit]) -> None:
        for emit in emits:
            self._world.maybe_crash()
            await self._world.log.publish([emit])

    async def write(self, token: int, write: Write) -> int:
        self._world.maybe_crash()
        new = await self._state.write(token, write)
        self._world.maybe_crash()
        return new


class Worker:
    """One owner of one stage and partition. After a crash there is a new one; the old may live on as a zombie."""

    def __init__(self, world: "World", make: Callable[[], Processor], partition: int, state: MemoryState):
        port: Any = Faulty(world, state)
        self.world, self.partition = world, partition
        self.handler = Handler(make(), partition, port, port, cache=world.random.choice([1, 1000]))
        done(self.handler.load())

    def ready(self) -> list[str]:
        return [t for t in self.handler.processor.inputs if self.position(t) < len(self.topic(t))]

    def position(self, topic: str) -> int:
        return self.handler.watermarks.get(topic, 0)

    def topic(self, topic: str) -> list[Any]:
        return self.world.log.topics[topic, self.partition]

    def step(self) -> bool:
        """One frame of any input, or what is due. False: this worker has ended."""
        ready = self.ready()
        if not ready and self.world.now < LATER:
            return True
        try:
            if not ready or self.world.random.random() < 0.05:
                done(self.handler.fire(self.world.now, limit=self.world.random.randint(1, 4)))
                return True
        except (Crash, Fenced):
            return False
        topic = self.world.random.choice(ready)
        most = self.world.random.randint(1, 4)
        frame = self.world.log.read(topic, self.partition, self.position(topic), most, self.world.now)
        assert frame is not None
        try:
            done(self.handler.handle(frame, {topic: self.position(topic) + len(frame.messages)}))
        except (Crash, Fenced):
            return False
        return True


class World:
    """Stages over partitions, a log and stores; `settle` runs it until nothing is left to do."""

    def __init__(self, seed: int, stages: Sequence[Callable[[], Processor]], partitions: int, faults: bool):
        self.random = random.Random(seed)
        self.partitions, self.faults = partitions, faults
        self.crash = self.random.choice([0.0, 0.02, 0.1]) if faults else 0.0
        self.log = MemoryLog(self.partition)
        self.slots: list[tuple[Callable[[], Processor], int, MemoryState]] = []
        for make in stages:
            single = SINGLE.issuperset(make().inputs)
            for partition in range(1 if single else partitions):
                self.slots.append((make, partition, MemoryState(make().record)))
        self.workers = [(slot, Worker(self, *slot)) for slot in self.slots]
        self.crashes = self.zombies = self.lost = self.now = 0

    def partition(self, topic: str, key: str) -> int:
        return 0 if topic in SINGLE else zlib.crc32(key.encode()) % self.partitions

    def maybe_crash(self) -> None:
        if self.crash and self.random.random() < self.crash:
            self.crashes += 1
            raise Crash

    def due(self) -> bool:
        """Whether anything is due by now that has not fired."""
        return any(done(state.due(self.now, 1)) for _, _, state in self.slots)

    def arrive(self, touchpoint: Touchpoint) -> None:
        self.now = max(self.now, touchpoint.received_at)
        key = profile_id(touchpoint.workspace, touchpoint.anchor)
        self.log.topics["touchpoints", self.partition("touchpoints", key)].append(touchpoint)

    def settle(self, arriving: list[Touchpoint]) -> None:
        """Let everything arrive bit by bit and be carried through, with faults until it gets calm."""
        for tick in range(200_000):
            if arriving and self.random.random() < 0.4:
                self.arrive(arriving.pop(0))
            calm = not arriving and tick > CALM
            if self.faults and not calm:
                self._fault()
            if calm and self.crash + self.faults:
                self.crash, self.faults = 0.0, False
                self.workers = [(slot, Worker(self, *slot)) for slot in self.slots]
            index = self.random.randrange(len(self.workers))
            slot, worker = self.workers[index]
            if not worker.step():
                self.workers[index] = (slot, Worker(self, *slot))
            if calm and not any(worker.ready() for _, worker in self.workers):
                if self.now == LATER and not self.due():
                    return
                self.now = LATER
        raise AssertionError("never quiet")

    def _fault(self) -> None:
        if self.random.random() < 0.02:
            slot = self.random.choice(self.slots)
            self.workers.append((slot, Worker(self, *slot)))
            self.zombies += 1
        if self.random.random() < 0.01:
            for _, _, state in self.slots:
                state.forget(self.random.randint(0, 3))
            self.lost += 1

    def records(self, stage: str) -> dict[str, Any]:
        """All records of a stage, over its partitions."""
        found: dict[str, Any] = {}
        for make, _, state in self.slots:
            if make().name == stage:
                found |= state.records()
        return found


POOL = {"user_id": 3, "email": 3, "anonymous_id": 6}
RULES = IdentityRules(
    types={
        name: DEFAULT_RULES.types[name].model_copy(update={"limit": limit})
        for name, limit in (("user_id", 1), ("email", 2), ("anonymous_id", 3))
    }
)


def history(seed: int) -> list[Touchpoint]:
    """Touchpoints of a few people who share identifiers, with ties, duplicates and limits that bite."""
    r = random.Random(seed)
    pool = [
        f"{kind}:{kind[0]}{n}@x.io" if kind == "email" else f"{kind}:{kind[0]}{n}"
        for kind, size in POOL.items()
        for n in range(size)
    ]
    found = []
    for n in range(r.randint(4, 25)):
        names = tuple(sorted(set(r.choices(pool, k=r.randint(1, 3))), key=RULES.rank))
        at, received = r.randint(0, 30), r.randint(30, 60)
        found.append(
            Touchpoint(
                workspace="main", source="sim", channel=r.choice(["web", "call"]), message_id=f"m{n}", anchor=names[0],
                type=r.choice(["track", "track", "identify", "page", "group"]), event="Order Completed",
                identifiers=names, timestamp=at, received_at=received, evidence_at=at, context=fast.EMPTY,
                properties=fast.raw({"total": r.choice([0.1, 0.2, 12.34, 5])}),
                traits=fast.raw({"city": r.choice(["Ulm", "上海"])} if r.random() < 0.5 else {}),
                group_id=r.choice(["", "", "acme", "globex"]),
            )
        )  # fmt: skip
    found += r.choices(found, k=len(found) // 4)
    r.shuffle(found)
    return found
