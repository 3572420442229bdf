"""The topics as a warehouse worker reads them: the partitions on Kafka that the group of these workers gives to it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from services.errors import RapportError, Retry
from services.runtime.frames import StoredFrame
from services.runtime.kafka import topics
from services.runtime.kafka.connection import topic_name
from services.runtime.kafka.reading import TopicReader
from services.runtime.kafka.sharing import Share
from services.runtime.settings import Settings

PART = "warehouse"
LOOK = 5.0  # seconds between two looks whether a topic was made anew


class TopicPartitions:
    """Made and used by one thread. Raises RapportError when a topic is not there, Retry while Kafka is away."""

    def __init__(self, settings: Settings, names: Sequence[str]):
        self._settings, self._names = settings, {topic: topic_name(settings, topic) for topic in names}
        self._administrator = topics.administrator(settings)
        self._lives = topics.incarnations(names, settings)
        self._looked = time.monotonic()
        self._readers: dict[str, TopicReader] = {}
        self._ours: dict[str, list[int]] = {topic: [] for topic in names}
        self._share = Share(settings, PART, names)

    def incarnation(self, topic: str) -> str:
        """Kafka's id of the topic, as it was a few seconds ago."""
        if time.monotonic() - self._looked > LOOK:
            with _tried_again():
                found = topics.described(self._administrator, self._settings, self._names.values())
            self._looked = time.monotonic()
            self._lives |= {one: found[name].incarnation for one, name in self._names.items() if name in found}
            if gone := [name for name in self._names.values() if name not in found]:
                raise RapportError(
                    f"Kafka has no topic {', '.join(gone)} any more: make it with `rapport topics apply`"
                )
        return self._lives[topic]

    def partitions(self, topic: str) -> Sequence[int]:
        """Those that the group gives to us now."""
        ours = self._share.partitions(topic)
        lost = not set(self._ours[topic]) <= set(ours)
        if lost and (reader := self._readers.pop(topic, None)):
            reader.close()  # what was taken from us is not read ahead any more
        self._ours[topic] = ours
        return ours

    def span(self, topic: str) -> dict[int, tuple[int, int]]:
        """The first offset that is still there, and the end of what can be read now."""
        reader = self._reader(topic)
        begins, ends = reader.beginnings(), reader.ends()
        return {partition: (begin, ends[partition]) for partition, begin in begins.items()}

    def read(self, topic: str, partition: int, start: int, limit: int) -> tuple[list[StoredFrame], int]:
        """The frames from `start` on, until they hold about `limit` lines, and the offset to read next."""
        self._share.tell(topic, partition, start)
        return self._reader(topic).read(partition, start, limit)

    def close(self) -> None:
        """Leave the group, and give the connections back."""
        self._share.close()
        for reader in self._readers.values():
            reader.close()

    def _reader(self, topic: str) -> TopicReader:
        if topic not in self._readers:
            with _tried_again():
                self._readers[topic] = TopicReader(self._settings, topic, PART)
        return self._readers[topic]


@contextmanager
def _tried_again() -> Iterator[None]:
    """Inside, that Kafka does not answer is nothing that stops a worker."""
    try:
        yield
    except RapportError as error:
        raise Retry(str(error)) from error
