"""The rows of a file of Segment events (newline-delimited JSON), as items that can be put into a batch. Pure.

A row without a messageId gets one that is made of the row itself: its bytes, and how many rows just like it came
before it in the same file. So the same file again, or the same file with rows mended or added, doubles nothing, while
rows that are equal on purpose stay as many as they are.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import IO, Any, NamedTuple

import msgspec

from schemas import fast

_KEPT = 30_000  # bytes that are kept of a row which is no JSON
_ESCAPED = 8  # a byte may become so many when it is written as JSON text, at most


class Row(NamedTuple):
    """One row of the file. `item` is JSON to be sent; `problem` says why it cannot be an event, when it cannot."""

    number: int
    item: bytes
    problem: str = ""


class _Named(msgspec.Struct, rename="camel"):
    """What matters of a row: does it name itself?"""

    message_id: Any = msgspec.UNSET


_named = msgspec.json.Decoder(_Named).decode
_any = msgspec.json.Decoder(msgspec.Raw).decode


def lines(stream: IO[bytes], longest: int) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers from 1. Of a longer one, `longest` bytes."""
    number = 0
    while text := stream.readline(longest):
        number += 1
        rest = text
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(longest)
        if text.strip():
            yield number, text.strip()


class Occurrences:
    """Counts equal rows of one file, in bounded memory: what is too much for it goes to a temporary file."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("CREATE TABLE seen (row BLOB PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def count(self, digest: bytes) -> int:
        """How often this was asked, this time included."""
        sql = "INSERT INTO seen VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n"
        return int(self._db.execute(sql, (digest,)).fetchone()[0])


def rows(stream: IO[bytes], longest: int) -> Iterator[Row]:
    """The rows of one file, each with a messageId. One of `longest` bytes or more cannot be sent as it is."""
    occurrences = Occurrences()
    for number, text in lines(stream, longest):
        problem = not_an_event(text, longest)
        if problem:
            kept = text[: min(_KEPT, longest // _ESCAPED)]
            yield Row(number, fast.dumps(kept.decode(errors="replace")), problem)
        else:
            yield Row(number, named(text, occurrences))


def not_an_event(text: bytes, longest: int) -> str:
    """Why this line cannot be an event, whatever is in it; empty when it can."""
    if len(text) >= longest:
        return f"the row is too long to be an event: it has {longest:,} bytes or more"
    try:
        text.decode()
        _any(text)
    except UnicodeDecodeError as error:
        return f"the row is not UTF-8: byte {error.start + 1}"
    except (msgspec.DecodeError, RecursionError) as error:
        return f"the row is not JSON: {error}"
    return "" if text.startswith(b"{") else 'the row is JSON, but not an object: expected an event like {"type": …}'


def named(text: bytes, occurrences: Occurrences) -> bytes:
    """The row, with a messageId made of itself when it has none."""
    said = _named(text).message_id
    if said is not msgspec.UNSET and said not in (None, ""):
        return text
    digest = blake2b(text, digest_size=16)
    digest.update(b"\0%d" % occurrences.count(digest.digest()))
    message_id = f"row-{digest.hexdigest()}"
    if said is msgspec.UNSET:
        comma = b"" if text[1:].lstrip().startswith(b"}") else b","
        return b'{"messageId":"' + message_id.encode() + b'"' + comma + text[1:]
    return fast.dumps(msgspec.json.decode(text, type=dict[str, msgspec.Raw]) | {"messageId": message_id})


def batches(found: Iterable[Row], most_events: int, most_bytes: int) -> Iterator[list[Row]]:
    """Rows in their order, at most so many, and so many bytes of items, at a time."""
    batch: list[Row] = []
    size = 0
    for row in found:
        if batch and (len(batch) == most_events or size + len(row.item) + 1 > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += len(row.item) + 1
    if batch:
        yield batch
