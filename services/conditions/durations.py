"""Durations as people write them in YAML: a whole number and a unit."""

import re

_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def milliseconds(text: object) -> int:
    """ "90s", "15m", "1h" or "2d" in milliseconds. Raises ValueError, which says how a duration is written."""
    found = re.fullmatch(r"(\d{1,6})\s*([smhd])", text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("a duration is a whole number and s, m, h or d, such as `30m` or `2d`")
    return int(found[1]) * _UNITS[found[2]]


def written(millis: int) -> str:
    """The same of milliseconds, in the largest unit that they are a whole number of."""
    return next(f"{millis // size}{unit}" for unit, size in reversed(_UNITS.items()) if millis % size == 0)
