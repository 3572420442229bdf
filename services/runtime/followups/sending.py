"""What came of one try to send, and when the next one is."""

from collections.abc import Callable
from typing import Literal, NamedTuple

FIRST = 5_000  # ms before the second try
GROWTH = 4
LONGEST = 6 * 3_600_000  # ms between two tries that the backoff asks for
PATIENCE = 24 * 3_600_000  # ms that a receiver may ask for


class Result(NamedTuple):
    """What came of one try. `after` is how long (ms) the receiver asks to wait before the next.

    `retry`: it certainly did not arrive, or the receiver can tell a repetition. `uncertain`: it may have arrived.
    """

    status: Literal["sent", "retry", "failed", "dead", "uncertain"]
    reason: str = ""
    after: int = 0


def pause(attempt: int, after: int, random: Callable[[], float]) -> int:
    """How long (ms) to wait after try number `attempt` (from 1): exponential with full jitter (AWS Architecture Blog,
    "Exponential Backoff And Jitter"), at least what the receiver asked for, up to a day. `random` is in [0, 1)."""
    longest = min(LONGEST, FIRST * GROWTH ** min(attempt - 1, 16))
    return int(max(random() * longest, min(after, PATIENCE)))
