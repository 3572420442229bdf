"""How fast a source may send: a token bucket, one token an event. Pure: the time is given."""

from math import ceil

from services.ingest.sources import Rate


class Bucket:
    """Holds up to `burst` tokens and gains `per_second`. A batch larger than the burst needs a full bucket."""

    def __init__(self, rate: Rate, now: int):
        self._rate, self._tokens, self._at = rate, float(rate.burst), now

    def take(self, events: int, now: int) -> int:
        """Take a token for each event: 0 when they were there, else the whole seconds to wait. `now` is epoch ms."""
        gained = max(now - self._at, 0) / 1000 * self._rate.per_second
        self._tokens, self._at = min(self._tokens + gained, self._rate.burst), max(now, self._at)
        short = min(events, self._rate.burst) - self._tokens
        if short > 0:
            return ceil(short / self._rate.per_second)
        self._tokens -= events
        return 0
