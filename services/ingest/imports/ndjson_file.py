"""Newline-delimited JSON, one object a line: events of Segment as they are, or objects that a mapping is for. Pure.

An event without a messageId gets one that is made of the row itself: its bytes, and how many rows just like it came
before it in the same file. So the same file again, or the same file with rows mended or added, doubles nothing, while
rows that are equal on purpose stay as many as they are.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import IO, Any

import msgspec

from schemas import fast
from services.conditions import exact
from services.ingest.imports.line import Line
from services.ingest.imports.occurrences import Occurrences
from services.ingest.imports.row import Row

_KEPT = 30_000  # bytes that are kept of a row which is no JSON
_ESCAPED = 8  # a byte may become so many when it is written as JSON text, at most
_BOM = b"\xef\xbb\xbf"


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
        text = text.removeprefix(_BOM) if number == 1 else text
        if text.strip():
            yield number, text.strip()


def rows(stream: IO[bytes], longest: int) -> Iterator[Row]:
    """The events of one file, each with a messageId. One of `longest` bytes or more cannot be sent as it is."""
    occurrences = Occurrences()
    for number, text in lines(stream, longest):
        problem = not_an_event(text, longest)
        if problem:
            kept = _kept(text, longest)
            yield Row(number, fast.dumps(kept), problem, was=kept)
        else:
            yield Row(number, named(text, occurrences), was=msgspec.Raw(text))


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


class NdjsonFile:
    """The objects of a file that a mapping is for. `customer.email` is a value inside an object."""

    columns: Sequence[str] = ()  # every row has its own

    def __init__(self, stream: IO[bytes], longest: int):
        self._stream, self._longest = stream, longest

    def lacks(self, column: str) -> str:
        """Nothing can be said of a column before the rows are read."""
        return ""

    def rows(self, wanted: Sequence[str]) -> Iterator[Line]:
        """Every row that is not blank, with these values; numbers are exact."""
        for number, text in lines(self._stream, self._longest):
            problem = not_an_event(text, self._longest)
            found = None if problem else exact.value(text)
            if isinstance(found, dict):
                yield Line(number, tuple([exact.find(found, column) for column in wanted]), msgspec.Raw(text))
            else:
                yield Line(
                    number,
                    None,
                    _kept(text, self._longest),
                    problem or "the row is nested too deep, or holds half a character",
                )


def _kept(text: bytes, longest: int) -> str:
    return text[: min(_KEPT, longest // _ESCAPED)].decode(errors="replace")
