"""Frames on Kafka: one message is newline-delimited JSON, the lines of one partition."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from services.errors import RapportError
from services.runtime.kafka.connection import MOST_MESSAGE

MOST_LINES = 1_000  # a frame is what a stage handles at once
MOST_BYTES = 512 * 1024  # of a frame of several lines
LONGEST = MOST_MESSAGE - 64 * 1024  # bytes of a line; the rest is for Kafka's own headers


class Framed(NamedTuple):
    """A frame on its way: `name` is what Kafka calls the topic."""

    name: str
    partition: int
    body: bytes
    lines: int


def cut(name: str, partition: int, lines: Sequence[bytes]) -> Iterator[Framed]:
    """The lines as frames, in order. Raises RapportError for a line that no message can hold."""
    begin = size = 0
    for at, line in enumerate(lines):
        check(name, line)
        if at > begin and (size + len(line) > MOST_BYTES or at - begin == MOST_LINES):
            yield Framed(name, partition, b"\n".join(lines[begin:at]), at - begin)
            begin, size = at, 0
        size += len(line) + 1
    if len(lines) > begin:
        yield Framed(name, partition, b"\n".join(lines[begin:]), len(lines) - begin)


def check(name: str, line: bytes) -> None:
    """Raises RapportError for a line that no message can hold."""
    if len(line) > LONGEST:
        raise RapportError(
            f"a message of {len(line):,} bytes for {name} is longer than Kafka's topics take ({LONGEST:,}):"
            f" it begins {line[:200]!r}"
        )
