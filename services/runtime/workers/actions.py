"""The topic `actions` of Kafka as delivery reads it: every partition, in each the order of the log."""

from collections.abc import Mapping, Sequence

import msgspec
import structlog

from schemas.fast import Action
from services.errors import Retry
from services.runtime.frames import StoredFrame
from services.runtime.kafka.reading import TopicReader
from services.runtime.workers.lines import UNREADABLE

_log = structlog.get_logger()


class KafkaActions:
    """The port `Actions` of delivery. Each partition is a log of its own, named by the topic's id and its number."""

    def __init__(self, reader: TopicReader):
        self._reader = reader
        self._names = names(reader)
        self._decode = msgspec.json.Decoder(Action).decode

    @property
    def incarnations(self) -> Sequence[str]:
        """Those of the partitions, by their number."""
        return self._names

    def read(self, positions: Mapping[str, int], limit: int) -> tuple[Mapping[str, int], Sequence[Action]]:
        """What has come by now. No partition keeps others waiting: each has its part of `limit`. Every one of them has
        a position (beginning.py). While Kafka is away nothing comes; that it is away, the lease tells."""
        each = max(1, limit // len(self._names))
        after: dict[str, int] = {}
        actions: list[Action] = []
        for number, name in enumerate(self._names):
            try:
                chunk = self._reader.read(number, positions[name], each)
            except Retry:
                break
            if chunk.next != positions[name]:
                after[name] = chunk.next
                actions += [action for frame in chunk.frames if (action := self._action(frame, name))]
        return after, actions

    def _action(self, frame: StoredFrame, name: str) -> Action | None:
        """The action of a message. Others can write on a public topic, too: what is none is told, and sends nothing."""
        try:
            return self._decode(frame.body)
        except UNREADABLE as error:
            _log.error("a message on `actions` is no action", where=f"{name}@{frame.offset}", reason=str(error)[:500])
            return None


def names(reader: TopicReader) -> tuple[str, ...]:
    """What the ledger calls the partitions of a topic: a topic made anew has other names."""
    return tuple(f"{reader.incarnation}/{number}" for number in range(reader.partitions))
