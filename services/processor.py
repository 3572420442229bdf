"""The contract of a pipeline stage.

A processor is pure: a frame of messages, the records it asked for and the time go in, an outcome comes out.
It has no clock, no randomness, no network and no log of its own, so a one-hour wait is tested in a
millisecond and the same code runs on every engine. `services/runtime/handler.py` does all that waits or fails.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

GENERATION = 2**40  # versions that one generation of the records may use: those of the next are higher than all of them
WAKEUPS = "wakeups"  # the pseudo-topic whose messages are the wake-ups that fell due


class Wakeup(NamedTuple):
    """Ask to be called again at `due` (epoch ms). Wake-ups fire in the order of (due, key), once each."""

    due: int
    key: str


class Frame(NamedTuple):
    """What one call handles: consecutive messages of one partition of one topic.

    `now` is the time as the log knows it (epoch ms): the newest received_at up to this frame, or the instant
    a wake-up fell due. `positions` are the (offset, index) of each message in the log; empty for wake-ups.
    """

    topic: str
    partition: int
    messages: Sequence[Any]
    now: int
    positions: Sequence[tuple[int, int]] = ()


class Emit(NamedTuple):
    """One message to publish: `key` decides the partition."""

    topic: str
    key: str
    message: Any


class Outcome(NamedTuple):
    """What a frame leads to. A record of None is deleted. `emits` are published in this order."""

    records: dict[str, msgspec.Struct | None]
    emits: list[Emit]
    wakeups: list[Wakeup]


class Processor(Protocol):
    """One stage of the pipeline. Records are msgspec structs, one tagged union per stage."""

    @property
    def name(self) -> str:
        """The stage's name, as in schemas/topics.py."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The topics that it reads."""

    @property
    def record(self) -> Any:
        """The msgspec type (or tagged union) of its records."""

    def wants(self, frame: Frame, have: Mapping[str, Any]) -> Iterable[str]:
        """The keys of the records needed to decide. Asked again with what was found (None: no such record)
        until it names nothing that is not in `have`."""

    def decide(self, frame: Frame, records: Mapping[str, Any]) -> Outcome:
        """Decide the whole frame. The records are the processor's own: it may change them in place and returns
        those it changed. When the frame is not carried through, the runtime throws them away and loads again."""
