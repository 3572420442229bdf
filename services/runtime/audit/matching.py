"""Adding lines up, and matching the engine's records with the warehouse's rows, in bounded memory. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from zlib import crc32

from services.runtime.audit.books import Matched, Sum


def added(lines: Iterable[bytes]) -> Sum:
    """The sum of these lines."""
    found = _Adding()
    for line in lines:
        found.add(line)
    return found.sum()


class Ours(NamedTuple):
    """A record of the engine: its key, what must be the same elsewhere, as far as it is known, and its weight."""

    key: str
    values: tuple[str, ...]
    weight: int = 0


class Theirs(NamedTuple):
    """A row of the warehouse with the same, and whether it was written after the cut."""

    key: str
    values: tuple[str, ...]
    weight: int
    later: bool


class _Adding:
    """A sum that is being added up."""

    def __init__(self) -> None:
        self.lines = self.checksum = self.weight = 0

    def add(self, line: bytes, weight: int = 0) -> None:
        self.lines, self.checksum, self.weight = self.lines + 1, self.checksum + crc32(line), self.weight + weight

    def sum(self) -> Sum:
        return Sum(self.lines, self.checksum, self.weight)


def match(ours: Iterable[Ours], theirs: Iterable[Theirs]) -> Matched:
    """The sums of both sides, each in the order of its keys. A row that was written after the cut says nothing about
    the record as it was at the cut, only that there is a row: it stands for what the engine says. Of a record that is
    known in part the first values are compared."""
    engine, warehouse = _Adding(), _Adding()
    for our, their in _pairs(iter(ours), iter(theirs)):
        if our is not None:
            engine.add(_line(our), our.weight)
        if their is not None and not their.later:
            warehouse.add(_line(their, len(our.values) if our else None), their.weight)
        elif their is not None and our is not None:
            warehouse.add(_line(our), our.weight)
    return Matched(engine.sum(), warehouse.sum())


def _line(one: Ours | Theirs, known: int | None = None) -> bytes:
    return " ".join((one.key, *one.values[:known])).encode()


def _pairs(ours: Iterator[Ours], theirs: Iterator[Theirs]) -> Iterator[tuple[Ours | None, Theirs | None]]:
    """Both in step by their keys; None where one side has nothing under a key."""
    our, their = next(ours, None), next(theirs, None)
    while our is not None or their is not None:
        if their is None or (our is not None and our.key < their.key):
            yield our, None
            our = next(ours, None)
        elif our is None or their.key < our.key:
            yield None, their
            their = next(theirs, None)
        else:
            yield our, their
            our, their = next(ours, None), next(theirs, None)
