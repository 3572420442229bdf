"""The newest moments of something, for what is asked within a time: bounded, and joined in any order.

A window is (W, entries): nothing that is W ms older than its newest entry is kept, and at most the newest `MOMENTS`.
"""

from bisect import bisect_right, insort
from typing import Any

from services.conditions.tree import MOMENTS

Entries = tuple[tuple[Any, ...], ...]
"""Sorted (timestamp, message id, …)."""


def entered(window: tuple[int, Any] | None, within: int, entry: tuple[Any, ...]) -> tuple[int, Any]:
    """The window with one more entry. `within` is W as it is defined now."""
    if window is None:
        return within, (entry,)
    within, entries = max(within, window[0]), window[1]
    if entry >= entries[-1]:
        return _bounded(within, (*entries, entry))
    found = list(entries)
    insort(found, entry)
    return _bounded(within, tuple(found))


def united(one: tuple[int, Any], other: tuple[int, Any]) -> tuple[int, Any]:
    """Both windows in one."""
    return _bounded(max(one[0], other[0]), tuple(sorted((*one[1], *other[1]))))


def since(entries: Entries, start: int) -> Entries:
    """The entries later than `start`."""
    return entries[after(entries, start) :]


def after(entries: Entries, start: int) -> int:
    """The index of the first entry later than `start`."""
    return bisect_right(entries, start, key=lambda entry: entry[0])


def _bounded(within: int, entries: Entries) -> tuple[int, Any]:
    first = max(after(entries, entries[-1][0] - within), len(entries) - MOMENTS)
    return within, entries[first:] if first else entries
