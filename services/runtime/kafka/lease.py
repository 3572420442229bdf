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

import secrets
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from services.errors import Fenced, Retry
from services.runtime.kafka.connection import connected, reason, topic_name, unheard
from services.runtime.settings import Settings

LEASE = 5.0  # seconds
WITHIN = 3.0  # seconds for one request
MARGIN = 0.5  # seconds that two machines' clocks may drift apart in a lease, and more
GROUP = "rapport-delivery"
FIRST = 0  # the partition that is told of every time
RESTS = "rests"  # what a worker says that ends well
PUT_OUT = {
    KafkaError._FENCED, KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.INVALID_PRODUCER_ID_MAPPING,
}  # fmt: skip
_ANOTHER = "another delivery worker has taken over the sending of follow-ups: there must be one at a time."


class Told(NamedTuple):
    """Where delivery had come to in a partition of `actions`; the ledger and the life of a worker that say so; and
    whether that has rested since."""

    offset: int
    ledger: str
    life: str
    rests: bool


class Lease:
    """The right to send the actions of one topic. `ledger` is the name of ours, `seconds` a monotonic clock. Each
    method asks Kafka and blocks: not for two threads at once."""

    def __init__(
        self, settings: Settings, ledger: str, lasts: float = LEASE, seconds: Callable[[], float] = time.monotonic
    ):
        self._topic, self._ledger, self._lasts, self._seconds = topic_name(settings, "actions"), ledger, lasts, seconds
        self._life = secrets.token_hex(8)
        group = topic_name(settings, GROUP)
        made = unheard(settings, "delivery")
        self._group = connected(Consumer, made | {"group.id": group, "enable.auto.commit": False})
        self._made = made | {"transactional.id": group, "transaction.timeout.ms": 10_000}
        self._producer: Producer | None = None  # None: to be made, and to put the others out
        self._told: dict[int, int] = {}
        self._waits_until = self._held_until = float("-inf")

    def take(self, partitions: int) -> dict[int, Told]:
        """Put every former holder out. Returns what the last one told, by partition. Raises Retry while Kafka is
        away."""
        self._put_others_out()
        return self.committed(partitions)

    def committed(self, partitions: int) -> dict[int, Told]:
        """What the last holder told, by partition, of those of which anything was told. Raises Retry."""
        asked = [TopicPartition(self._topic, number) for number in range(partitions)]
        try:
            found = self._group.committed(asked, WITHIN)
        except KafkaException as error:
            raise Retry(f"Kafka does not answer ({reason(error)})") from None
        return {one.partition: _read(one.offset, one.metadata or "") for one in found if one.offset >= 0}

    def renew(self, positions: Mapping[int, int]) -> None:
        """Tell where we are, the offset to read next by partition, and so have the lease again. Raises Fenced when
        another worker has taken it, and Retry when Kafka does not answer: then it goes on running out."""
        self._held_until = self._tell(positions, "sends") + self._lasts

    def rest(self, positions: Mapping[int, int]) -> None:
        """Tell for the last time: from now on nothing is sent, so whoever comes need not wait. Raises like `renew`."""
        self._held_until = float("-inf")
        self._tell(positions, RESTS)

    @property
    def held(self) -> bool:
        """Whether something may be sent now. Asks nobody."""
        return self._waits_until <= self._seconds() < self._held_until

    def close(self) -> None:
        """Give the connections back. The lease runs out by itself."""
        self._group.close()

    def _tell(self, positions: Mapping[int, int], does: str) -> float:
        """One transaction. Returns when it was begun. A producer whose transaction failed is thrown away: what came of
        it is not known, and nothing of it is needed."""
        producer = self._producer or self._again()
        told = {n: at for n, at in positions.items() if self._told.get(n) != at or n == FIRST}
        said = f"{self._ledger} {self._life} {does}"
        offsets = [TopicPartition(self._topic, n, at, metadata=said) for n, at in told.items()]
        begun = self._seconds()
        try:
            producer.begin_transaction()
            producer.send_offsets_to_transaction(offsets, self._group.consumer_group_metadata(), WITHIN)
            producer.commit_transaction(WITHIN)
        except KafkaException as error:
            self._told.clear()
            self._producer = None
            producer.purge()
            if error.args[0].code() in PUT_OUT:
                raise Fenced(f"{_ANOTHER} Kafka says: {reason(error)}") from None
            raise Retry(f"Kafka does not confirm that we are the one that sends ({reason(error)})") from None
        self._told |= told
        return begun

    def _again(self) -> Producer:
        """After Kafka was away: go on, if nobody has had the lease meanwhile. We have had it: `_held_until` tells."""
        last = self.committed(FIRST + 1).get(FIRST)
        if last is not None and last.life != self._life and self._held_until > float("-inf"):
            raise Fenced(f"{_ANOTHER} It works with the ledger {last.ledger}")
        return self._put_others_out()

    def _put_others_out(self) -> Producer:
        """From now on none of them can tell anything. Whoever told something last may send until its lease has run
        out: unless it was us, or has rested since."""
        producer = connected(Producer, self._made)
        try:
            producer.init_transactions(WITHIN)
        except KafkaException as error:
            raise Retry(f"Kafka does not answer ({reason(error)})") from None
        since, last = self._seconds(), self.committed(FIRST + 1).get(FIRST)
        if last is not None and not last.rests and last.life != self._life:
            self._waits_until = since + self._lasts + MARGIN
        self._producer = producer
        return producer


def _read(offset: int, metadata: str) -> Told:
    ledger, life, does = (*metadata.split(" "), "", "", "")[:3]
    return Told(offset, ledger, life, does == RESTS)
