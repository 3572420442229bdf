"""What a person must hear of at once: the moves of one decision of identity, and then the touchpoint that led to it.

The anchors of a person lie in different partitions of the fold, so what a log-in moves comes to the person in any
order, and the log-in itself may come before it. Every message says which anchors belong to its decision, and waits
until the person has heard of all of them. Then the moves count, in the order of their identifiers, and the touchpoint
after them: a rule at a log-in sees the anonymous past, and an audience is entered by the same cause, however the
partitions were read.
"""

from collections.abc import Sequence

import msgspec

from schemas import fast
from schemas.fast import CellMessage

MOST = 1_000  # messages that wait for others of their person; beyond it the oldest counts by itself

_read = msgspec.json.Decoder(CellMessage).decode


class Pending(msgspec.Struct, array_like=True, gc=False):
    """A message that waits: its anchor and version, whether a touchpoint is the reason for it, what it waits for, the
    decision that it is part of, and the message itself."""

    anchor: str
    version: int
    touched: bool
    together: tuple[tuple[str, int], ...]
    cause: str
    message: bytes


def pending(message: CellMessage) -> Pending:
    """The message, waiting."""
    touched = message.touchpoint is not None
    together = tuple((anchor, version) for anchor, version in message.together)
    return Pending(message.anchor, message.version, touched, together, message.cause, fast.dumps(message))


def take_ready(waiting: list[Pending], held: dict[str, int]) -> list[CellMessage]:
    """The messages that count now, in their order; they wait no longer. `held` are the versions of the anchors that the
    person has heard of. Call again until there are none: what counts may be what others wait for."""
    ready = _ready(waiting, held) or (waiting[:1] if len(waiting) > MOST else [])
    for one in ready:
        waiting.remove(one)
    return [_read(one.message) for one in ready]


def _ready(waiting: Sequence[Pending], held: dict[str, int]) -> list[Pending]:
    """A decision that is whole, or a touchpoint whose moves have been counted; of each anchor in order.

    Something is ready sooner or later: what waits only waits for its own decision, and identity made one after the
    other, so the first of those that are waited for has nothing before it."""
    come = dict(held)
    for one in waiting:
        come[one.anchor] = max(come.get(one.anchor, -1), one.version)
    seen: set[str] = set()
    for one in waiting:
        if one.anchor not in seen:
            there = held if one.touched else come
            if all(there.get(anchor, -1) >= version for anchor, version in one.together):
                return [one] if one.touched else _decision(one, waiting)
        seen.add(one.anchor)
    return []


def _decision(one: Pending, waiting: Sequence[Pending]) -> list[Pending]:
    """All that waits of the decision that this is part of, by anchor."""
    if not one.together:
        return [one]
    same = [other for other in waiting if other.cause == one.cause and not other.touched and other.together]
    return sorted(same, key=lambda other: (other.anchor, other.version))
