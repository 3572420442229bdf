"""What the runtime needs of an engine: a state that is written atomically and behind a fence, and read by others, and a
way to publish.

Each port has one contract suite (tests/contracts/) that runs over every adapter.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from services.processor import Emit, Wakeup


class Loaded(NamedTuple):
    """Where a stage stands: the fence's token and, per input topic, the offset to read next."""

    token: int
    watermarks: dict[str, int]


class Write(NamedTuple):
    """Everything that one frame changes, written in one atomic step. A record of None is deleted.

    `wakeups` are set, `fired` are taken away; a wake-up set again in the same write stays.
    """

    records: Mapping[str, msgspec.Struct | None]
    watermarks: Mapping[str, int]
    wakeups: Sequence[Wakeup]
    fired: Sequence[Wakeup]


class State(Protocol):
    """The records, wake-ups and watermarks of one stage and partition."""

    async def load(self) -> Loaded:
        """Where the last successful write left this stage."""

    async def get(self, token: int, keys: Sequence[str]) -> list[msgspec.Struct | None]:
        """The records under these keys, in their order; None where there is none. Raises Fenced like `write`.

        Reading is behind the fence too: a worker that has lost its stage must not mix what it has in its caches with
        what the new owner wrote, and publish what follows from neither.
        """

    async def due(self, until: int, limit: int) -> list[Wakeup]:
        """The wake-ups due at or before `until` (epoch ms), by (due, key), at most `limit`."""

    async def write(self, token: int, write: Write) -> int:
        """All of it or nothing. Returns the new token; raises Fenced when `token` is not the present one."""


class Records(Protocol):
    """What all stages keep, for who only looks at it: as it was last made durable. Any thread may ask."""

    def find(self, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """The records of these (stage, key) as msgpack, in this order; None where there is none."""

    def generation(self) -> int:
        """Which generation of records it is (services/runtime/rebuild.py)."""


class Publisher(Protocol):
    """The way onto the log."""

    async def publish(self, emits: Sequence[Emit]) -> None:
        """Publish in this order. After an error any prefix may have been published: publishing again is harmless."""
