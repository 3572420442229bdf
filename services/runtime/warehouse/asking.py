"""Asks the engine, in a thread: an answer is an iterator of pieces, and the first piece tells whether it went well."""

from collections.abc import Iterator

from services.errors import Rejected
from services.runtime.warehouse.engine import Engine
from services.runtime.warehouse.limits import LARGEST_BUFFERED
from services.runtime.warehouse.request import Question

STREAMED = frozenset({
    "native", "tsv", "tabseparated", "tsvraw", "tabseparatedraw", "raw", "csv", "rowbinary", "jsoneachrow", "jsonlines",
    "ndjson", "jsoncompacteachrow", "jsonstringseachrow", "lineasstring",
})  # fmt: skip
"""Formats without a head or a foot: the engine's pieces, each complete in itself, are one answer put together."""


def ask(engine: Engine, asked: Question) -> Iterator[bytes]:
    """The pieces of the answer, none empty. Raises chdb's errors and Rejected, before the first piece or later.

    Closing the iterator cancels the query.
    """
    if asked.format.lower() not in STREAMED or asked.buffered:
        yield from _at_once(engine, asked)
        return
    with engine.reader(asked.settings) as connection:
        stream = connection.send_query(asked.statement, asked.format, params=asked.parameters)
        try:
            for chunk in stream:
                if piece := chunk.bytes():
                    yield piece
        finally:
            stream.close()


def _at_once(engine: Engine, asked: Question) -> Iterator[bytes]:
    """The whole answer, as far as memory allows."""
    ceiling = min(int(asked.settings.get("max_result_bytes", LARGEST_BUFFERED)), LARGEST_BUFFERED)
    with engine.reader({**asked.settings, "max_result_bytes": str(ceiling)}) as connection:
        result = connection.query(asked.statement, asked.format, params=asked.parameters)
        if result.has_error():
            raise RuntimeError(result.error_message())
        whole: bytes = result.bytes()
    if len(whole) > 2 * LARGEST_BUFFERED:
        raise Rejected("result", "the answer is too large for this format", hint="ask for TabSeparated or JSONEachRow")
    if whole:
        yield whole
