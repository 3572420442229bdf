"""The collector's stamps: when did it really happen, and how far back may it count as evidence? Pure functions.

Correction as Segment documents it (https://segment.com/docs/connections/spec/common/#timestamps): a client's clock may
be wrong, but the time between its `timestamp` and its `sentAt` is right, so timestamp = receivedAt - (sentAt -
original). Nothing happens later than it was received.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from services.errors import Rejected

TIME = "an ISO 8601 date and time like 2026-01-31T12:00:00.000Z (UTC when no zone is given), or epoch milliseconds"
LATEST = 253_402_300_799_999  # the end of the year 9999, as in schemas.wire.Millis
_EARLIEST_NUMBER = 100_000_000_000  # March 1973: a smaller number is epoch seconds sent by mistake
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Stamps(NamedTuple):
    """Epoch milliseconds. `original` and `sent_at` are what the client said."""

    timestamp: int
    evidence_at: int
    original: int | None
    sent_at: int | None


def stamp(original: int | None, sent_at: int | None, received_at: int, backdate: int | None) -> Stamps:
    """The corrected time, and the same clamped to [received_at - backdate, received_at]; `backdate` None: no limit."""
    if original is None:
        return Stamps(received_at, received_at, None, sent_at)
    timestamp = original if sent_at is None else max(received_at - (sent_at - original), 0)
    if timestamp > received_at:
        timestamp = received_at
    if backdate is None or timestamp >= received_at - backdate:
        return Stamps(timestamp, timestamp, original, sent_at)
    return Stamps(timestamp, received_at - backdate, original, sent_at)


def millis(value: str | int | None, field: str) -> int | None:
    """A client's time as epoch milliseconds; None and "" are no time. Raises Rejected for nonsense."""
    if not value and value != 0:
        return None
    if isinstance(value, int):
        return _number(value, field)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _nonsense(value, field, "is no date that exists, or not written as ISO 8601") from None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    found = since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000
    if not 0 <= found <= LATEST:
        raise _nonsense(value, field, "is before 1970 or after 9999")
    return found


def _number(value: int, field: str) -> int:
    if 0 <= value < _EARLIEST_NUMBER:
        raise _nonsense(value, field, "looks like seconds", "multiply seconds by 1000")
    if not 0 <= value <= LATEST:
        raise _nonsense(value, field, "is before 1970 or after 9999")
    return value


def _nonsense(value: object, field: str, what: str, hint: str = "") -> Rejected:
    got = str(value)[:80]
    reason = f"`{field}` {got} {what}; expected {TIME}"
    return Rejected("invalid_time", reason, field=field, expected=TIME, got=got, hint=hint)
