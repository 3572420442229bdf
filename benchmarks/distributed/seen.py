"""What has become visible: the documents on `profiles`, as everybody reads them who waits for what is committed."""

import threading
import time
from collections import deque

import msgspec
from confluent_kafka import Consumer, TopicPartition

from services.errors import RapportError
from services.runtime.kafka import topics
from services.runtime.settings import Settings

PATIENCE = 120.0  # seconds without progress until waiting is given up
LOOK = 0.02  # seconds between two looks
AT_ONCE = 2_000  # documents
USER = "user_id:"


class _Document(msgspec.Struct):
    profile_id: str
    version: int
    identifiers: tuple[str, ...] = ()
    touchpoints: int = 0


_document = msgspec.json.Decoder(_Document).decode


class Seen:
    """Follows the topic in a thread of its own, from the beginning. Counting starts when it is made."""

    def __init__(self, settings: Settings):
        self.total = 0  # touchpoints in all documents together
        self.at = 0.0  # when (perf_counter) the last document came
        self.documents = 0
        self._counts: dict[str, tuple[int, int]] = {}  # by profile: its version and its touchpoints
        self._users: dict[str, int] = {}  # by user id
        self._expected: dict[str, int] = {}
        self._waiting: dict[str, deque[tuple[int, int]]] = {}
        self.came: list[float] = []  # when (perf_counter) what was expected came, by its number; 0: not yet
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._consumer = Consumer(
            {"bootstrap.servers": settings.kafka, "group.id": "bench", "isolation.level": "read_committed",
             "enable.auto.commit": False, "log_level": 0}
        )  # fmt: skip
        count = topics.partitions("profiles", settings)
        self._consumer.assign([TopicPartition("profiles", number, 0) for number in range(count)])
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def expect(self, user: str) -> int:
        """One more touchpoint of this user is under way: its number in `came`. Only their own touchpoints may come
        meanwhile, no log-in that joins somebody."""
        with self._lock:
            count = self._expected[user] = self._expected.get(user, self._users.get(user, 0)) + 1
            self._waiting.setdefault(user, deque()).append((count, len(self.came)))
            self.came.append(0.0)
            return len(self.came) - 1

    def begin(self) -> None:
        """Forget what was expected so far; all of it has come."""
        with self._lock:
            self._expected, self._waiting, self.came = {}, {}, []

    def wait(self, total: int) -> None:
        """Until so many touchpoints are in the documents. Raises RapportError when nothing moves, or more are there."""
        best, since = -1, time.monotonic()
        while self.total != total:
            if self.total != best:
                best, since = self.total, time.monotonic()
            if time.monotonic() - since > PATIENCE:
                raise RapportError(
                    f"the cluster stands still: its profiles count {self.total}, not {total} touchpoints"
                )
            time.sleep(LOOK)

    def close(self) -> None:
        """Follow no longer."""
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def _follow(self) -> None:
        while not self._stop.is_set():
            first = self._consumer.poll(0.05)  # consume() would wait until there are as many as it may bring
            for message in [first, *self._consumer.consume(AT_ONCE, 0)] if first is not None else ():
                if message.error() is None and (value := message.value()):
                    self._keep(_document(value), time.perf_counter())

    def _keep(self, one: _Document, now: float) -> None:
        version, before = self._counts.get(one.profile_id, (-1, 0))
        if one.version < version:
            return
        self._counts[one.profile_id] = one.version, one.touchpoints
        self.total += one.touchpoints - before
        self.at, self.documents = now, self.documents + 1
        for identifier in one.identifiers:
            if identifier.startswith(USER):
                self._hear(identifier.removeprefix(USER), one.touchpoints, now)

    def _hear(self, user: str, count: int, now: float) -> None:
        with self._lock:
            self._users[user] = count
            waiting = self._waiting.get(user)
            while waiting and waiting[0][0] <= count:
                self.came[waiting.popleft()[1]] = now
