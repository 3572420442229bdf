"""The right to send: one delivery worker has it at a time, by Kafka's word.

Nothing can take back an e-mail. So whoever sends must know that nobody else does: not another worker that was started
by mistake, and not one that was taken for dead (stopped for a minute, cut off the network) and goes on where it was.

One transactional producer is the fence: whoever takes it puts every former one out. The holder commits a transaction
once a second, and may send for `LEASE` seconds from when it began the last one that succeeded; it needs no clock but
its own. Who takes the lease waits as long before it sends: by then the former one's has run out, whatever happened to
it. Only after one that said that it rests, which it does when it ends well, nothing is waited for. When Kafka is away
nobody sends.

What the transactions carry is where delivery has come to, as the offsets of the consumer group `rapport-delivery`, with
the name of the ledger: tools see the lag, and an old copy of a ledger is noticed (`committed`).
"""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from services.errors import Fenced, Retry
from services.runtime.kafka.connection import client_settings, connected, reason, topic_name
from services.runtime.settings import Settings

LEASE = 5.0  # seconds
WITHIN = 3.0  # seconds for one request
MARGIN = 0.5  # seconds that two machines' clocks may drift apart in a lease, and more
GROUP = "rapport-delivery"
FIRST = 0  # the partition that is told of every time
RESTS = " rests"  # after the name of a ledger: whose worker has ended well


class Told(NamedTuple):
    """Where delivery had come to in a partition of `actions`, the name of the ledger that says so, and whether it has
    rested since."""

    offset: int
    ledger: str
    rests: bool = False


class Lease:
    """The right to send the actions of one topic. `ledger` is the name of ours, `seconds` a monotonic clock. Each
    method asks Kafka and blocks: call them from one thread."""

    def __init__(
        self, settings: Settings, ledger: str, lasts: float = LEASE, seconds: Callable[[], float] = time.monotonic
    ):
        self._topic, self._ledger, self._lasts, self._seconds = topic_name(settings, "actions"), ledger, lasts, seconds
        group = topic_name(settings, GROUP)
        made = client_settings(settings, "delivery")
        self._group = connected(Consumer, made | {"group.id": group, "enable.auto.commit": False})
        self._producer = connected(Producer, made | {"transactional.id": group, "transaction.timeout.ms": 10_000})
        self._taken: float | None = None  # when we put the others out
        self._begun: float | None = None  # when the transaction that is open was begun
        self._carried = False  # whether it has its offsets
        self._told: dict[int, int] = {}
        self._waits_until = self._held_until = float("-inf")

    def take(self, partitions: int) -> dict[int, Told]:
        """Put every former holder out. Returns what the last one told, by partition. Raises Retry while Kafka is
        away."""
        if self._taken is None:
            try:
                self._producer.init_transactions(WITHIN)
            except KafkaException as error:
                raise Retry(f"Kafka does not answer ({reason(error)})") from None
            self._taken = self._seconds()
        told = self.committed(partitions)
        if told and not (FIRST in told and told[FIRST].rests):
            self._waits_until = self._taken + self._lasts + MARGIN
        return told

    def committed(self, partitions: int) -> dict[int, Told]:
        """What the last holder told, by partition, of those of which anything was told. Raises Retry."""
        asked = [TopicPartition(self._topic, number) for number in range(partitions)]
        try:
            found = self._group.committed(asked, WITHIN)
        except KafkaException as error:
            raise Retry(f"Kafka does not answer ({reason(error)})") from None
        told = {one.partition: (one.offset, (one.metadata or "").partition(RESTS)) for one in found if one.offset >= 0}
        return {number: Told(offset, name, bool(rests)) for number, (offset, (name, rests, _)) in told.items()}

    def renew(self, positions: Mapping[int, int]) -> None:
        """Tell where we are, the offset to read next by partition, and so have the lease again. Raises Fenced when
        another worker has taken it, and Retry when Kafka does not answer: then it goes on running out."""
        self._held_until = self._tell(positions, self._ledger) + self._lasts

    def rest(self, positions: Mapping[int, int]) -> None:
        """Tell for the last time: from now on nothing is sent, so whoever comes need not wait. Raises like `renew`."""
        self._held_until = float("-inf")
        self._tell(positions, self._ledger + RESTS)

    def _tell(self, positions: Mapping[int, int], metadata: str) -> float:
        try:
            return self._transact(positions, metadata)
        except KafkaException as error:
            if error.args[0].fatal():
                raise Fenced(
                    "another delivery worker has taken over the sending of follow-ups: there must be one at a time."
                    f" Kafka says: {reason(error)}"
                ) from None
            self._give_up(error)
            raise Retry(f"Kafka does not confirm that we are the one that sends ({reason(error)})") from None

    @property
    def held(self) -> bool:
        """Whether something may be sent now. Asks nobody."""
        return self._waits_until <= self._seconds() < self._held_until

    def close(self) -> None:
        """Give the connections back. The lease runs out by itself."""
        self._group.close()

    def _transact(self, positions: Mapping[int, int], metadata: str) -> float:
        """Begin a transaction, or go on with the one that was cut short. Returns when it was begun."""
        if self._begun is None:
            self._producer.begin_transaction()
            self._begun, self._carried = self._seconds(), False
        if not self._carried:
            told = {n: at for n, at in positions.items() if self._told.get(n) != at or n == FIRST}
            offsets = [TopicPartition(self._topic, n, at, metadata=metadata) for n, at in told.items()]
            self._producer.send_offsets_to_transaction(offsets, self._group.consumer_group_metadata(), WITHIN)
            self._told |= told
            self._carried = True
        self._producer.commit_transaction(WITHIN)
        begun, self._begun = self._begun, None
        return begun

    def _give_up(self, error: KafkaException) -> None:
        """Abort what cannot be committed any more; what can is committed at the next try."""
        self._told.clear()
        if error.args[0].txn_requires_abort():
            self._producer.abort_transaction(WITHIN)
            self._begun = None
