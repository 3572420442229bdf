"""What the profile API and delivery look up: the stages' records in Redis, from threads."""

from collections.abc import Callable, Sequence
from typing import Any

from services.runtime.kafka.partitions import partition_of
from services.runtime.redis import layout
from services.runtime.redis.connection import Client, explained
from services.runtime.redis.layout import PREFIX

# Stages whose records do not lie where their own key belongs. Identity has one partition. What rules keep lies with the
# person that it came from: an address that bounced is looked for everywhere.
_ONE = frozenset({"identity"})
_ANY = frozenset({"rules"})


class RedisRecords:
    """The port Records (services/runtime/ports.py). Connects when it is first asked, and may raise Retry.

    One round trip for any number of records. The generation comes along with them, so it is that of the records.
    """

    def __init__(self, connect: Callable[[], Client], partitions: int, prefix: str = PREFIX):
        self._connect, self._partitions, self._prefix = connect, partitions, prefix
        self._client: Client | None = None
        self._generation: int | None = None

    def find(self, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
        places = [self._places(stage, key) for stage, key in wanted]
        client = self._client = self._client or self._connect()
        with explained(), client.pipeline(transaction=False) as pipe:
            for (stage, key), partitions in zip(wanted, places, strict=True):
                for partition in partitions:
                    pipe.hget(layout.keys(self._prefix, stage, partition).records, key)
            pipe.hget(layout.about(self._prefix), "generation")
            *found, generation = pipe.execute()
        self._generation = int(generation or 0)
        values: Any = iter(found)
        return [next(filter(None, [next(values) for _ in partitions]), None) for partitions in places]

    def generation(self) -> int:
        if self._generation is None:
            self.find([])
        return self._generation or 0

    def _places(self, stage: str, key: str) -> Sequence[int]:
        if stage in _ONE:
            return (0,)
        return range(self._partitions) if stage in _ANY else (partition_of(key, self._partitions),)
