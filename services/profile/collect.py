"""Collections of values in bounded memory that can be joined in any order: most frequent, how many different, a list.

Which values are kept beyond the bounds depends on the values alone: those with the least MD5 (a fixed sample) of
tallies, the least hashes of sketches, the earliest values of lists. So what is kept is the same in every order.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import md5
from typing import Any

from services.conditions import exact
from services.profile import amounts

Moment = tuple[int, str]
"""(timestamp, message id)."""

VALUE = 256  # bytes of a value as JSON
TALLIES = 100  # values that are counted each
SKETCH = 256  # hashes that are kept
LIST = 100  # values of a list


def canonical(value: Any) -> str | None:
    """A text, number or true/false as JSON text, the same for equal values; None for what is not collected.

    A number is cut off at nine places, as in sums; in quotes it is a text.
    """
    if type(value) is str or type(value) is bool:
        return exact.text(value)
    units = amounts.units(value)
    return None if units is None else amounts.text(units)


def tallied(tally: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Both tallies in one: the counts of the `TALLIES` values with the least MD5."""
    found = dict(tally)
    for text, n in more.items():
        found[text] = found.get(text, 0) + n
    if len(found) > TALLIES:
        found = {text: found[text] for text in sorted(found, key=_md5)[:TALLIES]}
    return found


def most_frequent(tally: Mapping[str, int]) -> str | None:
    """The value with the highest count; of several the least text."""
    return min(tally, key=lambda text: (-tally[text], text.encode())) if tally else None


def sketched(sketch: Iterable[int], more: Iterable[int]) -> tuple[int, ...]:
    """Both sketches in one: the `SKETCH` least hashes, sorted."""
    return tuple(sorted({*sketch, *more})[:SKETCH])


def with_hash(sketch: tuple[int, ...], one: int) -> tuple[int, ...]:
    """The sketch with one more hash; most often it is the same."""
    index = bisect_left(sketch, one)
    if index == SKETCH or (index < len(sketch) and sketch[index] == one):
        return sketch
    return (*sketch[:index], one, *sketch[index:])[:SKETCH]


@lru_cache(maxsize=4_096)
def hashed(text: str) -> int:
    """The first 8 bytes of the MD5."""
    return int.from_bytes(_md5(text)[:8], "big")


def distinct(sketch: tuple[int, ...]) -> int:
    """How many different values: exact below `SKETCH`, from there on estimated from how dense the least hashes lie
    (K minimum values: Bar-Yossef et al., RANDOM 2002), with a standard error of 1 / sqrt(254), about 6 %."""
    if len(sketch) < SKETCH:
        return len(sketch)
    return (SKETCH - 1) * 2**64 // (sketch[-1] + 1)


def listed(values: Mapping[str, Moment], more: Mapping[str, Moment]) -> dict[str, Moment]:
    """Both lists in one: each value with its earliest time, the `LIST` earliest, in their order."""
    found = dict(values)
    for text, moment in more.items():
        found[text] = min(found.get(text, moment), moment)
    return {text: found[text] for text in in_order(found)}


def in_order(values: Mapping[str, Moment]) -> list[str]:
    """The `LIST` earliest of the values, the earliest first."""
    return sorted(values, key=lambda text: (*values[text], text))[:LIST]


@lru_cache(maxsize=4_096)
def _md5(text: str) -> bytes:
    return md5(text.encode(), usedforsecurity=False).digest()
