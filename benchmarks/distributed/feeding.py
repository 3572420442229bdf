"""Touchpoints as collectors write them: the workload of `make bench`, judged by the collector's own code, in frames."""

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from confluent_kafka import Producer

from benchmarks.introducing import Instant
from benchmarks.workload import Workload
from services.configuration import load_config
from services.errors import RapportError
from services.ingest import decode
from services.ingest.collect import Collector
from services.ingest.payload import Arrival
from services.runtime.clock import wall
from services.runtime.kafka.keys import KEYS
from services.runtime.kafka.partitions import partition_of
from services.runtime.settings import Settings

TOGETHER = 500  # calls that a collector judges at once
TOPIC = "touchpoints"


class Feed:
    """Makes lines, and writes them to Kafka. `sent` is how many touchpoints were written so far."""

    def __init__(self, settings: Settings, people: int):
        config = load_config(settings.config)
        self.people, self._partitions = people, settings.partitions
        self._workload = Workload(people, Instant(), uuid.uuid4().hex[:8])
        self.source = config.sources[0]
        self._collector = Collector(config.identity, config.limits, new_id=lambda: uuid.uuid4().hex)
        made = {"bootstrap.servers": settings.kafka, "log_level": 0, "enable.idempotence": True, "linger.ms": 0,
                "compression.type": "zstd", "queue.buffering.max.messages": 1_000_000}  # fmt: skip
        self._producer = Producer(made)
        self._open: dict[int, list[bytes]] = defaultdict(list)
        self._next = 0
        self.sent = 0

    def introductions(self) -> list[bytes]:
        """Every known person once."""
        return self._lines([call.body for call in self._workload.introductions()])

    def newcomers(self, count: int) -> list[bytes]:
        """So many people who were never heard of, once each; the same ones if it is asked again."""
        workload = Workload(self.people + count, Instant(), uuid.uuid4().hex[:8])
        return self._lines([call.body for call in workload.introductions(self.people)])

    def events(self, count: int) -> list[bytes]:
        """The next so many events of the workload."""
        return self._lines([self._workload.event().body for _ in range(count)])

    def visit(self) -> tuple[str, bytes]:
        """A visit of the next known person, who is told apart by their user id: that, and the body of the call."""
        self._next = (self._next + 1) % self.people
        return f"u{self._next}", self._workload.visit(self._next).body

    def line(self, body: bytes) -> bytes:
        """What a collector makes of it."""
        return self._lines([body])[0]

    def write(self, lines: Iterable[bytes], cut: int) -> None:
        """In frames of so many lines of one partition; the last of each may be smaller. Returns when Kafka has them."""
        for line in lines:
            self.add(line, cut)
        self.flush()

    def add(self, line: bytes, cut: int) -> None:
        """One line; its partition's frame leaves when it has `cut` lines."""
        partition = partition_of(KEYS[TOPIC](line), self._partitions)
        waiting = self._open[partition]
        waiting.append(line)
        if len(waiting) >= cut:
            self._leave(partition)

    def flush(self) -> None:
        """What waits for its frame to fill leaves now. Raises RapportError when Kafka does not take it."""
        for partition in [number for number, lines in self._open.items() if lines]:
            self._leave(partition)
        if self._producer.flush(30):
            raise RapportError("Kafka does not take what is written to it")

    def _leave(self, partition: int) -> None:
        lines = self._open.pop(partition)
        self._producer.produce(TOPIC, b"\n".join(lines), partition=partition)
        self._producer.poll(0)
        self.sent += len(lines)

    def _lines(self, bodies: Sequence[bytes]) -> list[bytes]:
        return [line for some in _pieces(bodies) for line in self._judged(some)]

    def _judged(self, bodies: Sequence[bytes]) -> list[bytes]:
        done = self._collector.collect(
            decode.envelope(b'{"batch":[%b]}' % b",".join(bodies)).batch, "", Arrival(self.source, wall())
        )
        if done.rejected:
            raise RapportError(f"the collector rejects what the benchmark sends: {json.loads(done.rejected[0])}")
        return list(done.touchpoints)


def paced(rate: float, seconds: float) -> Iterator[float]:
    """The instants (perf_counter) at which something is due, for so long; each is given when it has come."""
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (left := due - time.perf_counter()) > 0:
            time.sleep(left)
        yield due


def _pieces(bodies: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for at in range(0, len(bodies), TOGETHER):
        yield bodies[at : at + TOGETHER]
