"""The one producer of the public messages of a stage and partition: its messages are there together or not at all.

Kafka lets one producer live under a transactional id: `init_transactions` of the next owner ends what the former one
had begun, and from then on the former one gets nothing in. A compacted topic keeps a key's last record, not its highest
version, so a late former owner must not write at all. librdkafka's calls block, so they are made in threads.
"""

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from confluent_kafka import KafkaError, KafkaException, Producer

from services.errors import Fenced, Retry
from services.runtime import metrics
from services.runtime.kafka.connection import MOST_MESSAGE, connected, reason, unheard
from services.runtime.settings import Settings

WITHIN = 10.0  # seconds for taking over, and for one transaction
ABANDONED = 15_000  # ms after which Kafka itself ends the transaction of an owner that is gone: readers wait so long
_PUT_OUT = {
    KafkaError._FENCED, KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.INVALID_PRODUCER_ID_MAPPING,
}  # fmt: skip


class Keyed(NamedTuple):
    """A public message: `name` is what Kafka calls the topic; a value of None is a tombstone."""

    name: str
    partition: int
    key: bytes
    value: bytes | None


class FencedProducer:
    """`owner` names stage and partition: "assemble-3". One thread at a time is at work; others wait for it."""

    def __init__(self, settings: Settings, owner: str):
        self._made = unheard(settings, owner) | {
            "transactional.id": f"{settings.kafka_prefix}rapport-{owner}",
            "transaction.timeout.ms": ABANDONED,
            "message.timeout.ms": int(WITHIN * 1000),
            "compression.type": "zstd",
            "linger.ms": 0,
            "message.max.bytes": MOST_MESSAGE,
        }
        self._producer: Producer | None = None
        self._closed = False
        self._at_work = threading.Lock()  # whoever awaited a transaction may have been cancelled, and closes

    def take_over(self) -> None:
        """Put out whoever published under this name before. Raises Retry when Kafka cannot do it now."""
        with self._at_work:
            self._take_over()

    def publish(self, messages: Sequence[Keyed]) -> None:
        """All of these in one transaction, committed when it returns. Raises Fenced when another owner has taken over,
        Retry when Kafka cannot take it now; then none of it will be seen, or all of it (the answer was lost)."""
        with self._at_work:
            producer = self._producer or self._take_over()
            began = time.monotonic()
            try:
                producer.begin_transaction()
                for name, partition, key, value in messages:
                    self._put(producer, name, partition, key, value)
                self._commit(producer, began + WITHIN)
            except (KafkaException, BufferError) as error:
                self._give_up(producer, error)
            metrics.TRANSACTION_SECONDS.observe(time.monotonic() - began)

    def close(self) -> None:
        """Give the connections back, for good: a call that comes later (its thread was slow) puts nobody out. A
        transaction that is open is ended by the next owner, or by Kafka."""
        with self._at_work:
            self._closed = True
            self._let_go()

    def _take_over(self) -> Producer:
        if self._closed:
            raise Fenced("this partition was given back")
        self._let_go()
        producer = connected(Producer, self._made)
        try:
            producer.init_transactions(WITHIN)
        except KafkaException as error:
            raise Retry(f"Kafka does not hand the public topics over: {reason(error)}") from None
        self._producer = producer
        return producer

    def _let_go(self) -> None:
        if self._producer is not None:
            self._producer.purge()
            self._producer = None  # its own close() would wait for Kafka to end the transaction

    def _put(self, producer: Producer, name: str, partition: int, key: bytes, value: bytes | None) -> None:
        try:
            producer.produce(name, value, key, partition)
        except BufferError:  # librdkafka has its hands full
            producer.flush(WITHIN)
            producer.produce(name, value, key, partition)

    def _commit(self, producer: Producer, until: float) -> None:
        """Commit; what may be tried again is, until the time is over."""
        while True:
            try:
                return producer.commit_transaction(max(0.1, until - time.monotonic()))
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > until:
                    raise

    def _give_up(self, producer: Producer, error: KafkaException | BufferError) -> NoReturn:
        """Nothing of it is to be seen. A producer that cannot go on is thrown away: the next one starts anew."""
        told = error.args[0] if isinstance(error, KafkaException) else None
        if told is None or told.txn_requires_abort():
            try:
                producer.abort_transaction(WITHIN)
            except KafkaException:
                self._let_go()
        else:
            self._let_go()
        if told is not None and told.code() in _PUT_OUT:
            self._let_go()
            raise Fenced("another worker publishes for this partition now") from None
        raise Retry(f"Kafka did not take the public messages: {reason(error)}") from None
