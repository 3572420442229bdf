"""Rows on their way to the collector: as items of batches. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from services.errors import Rejected
from services.ingest.imports.calls import Calls
from services.ingest.imports.line import Line


class Row(NamedTuple):
    """One row of the file. `item` is JSON to be sent; empty when nothing can be made of the row. `problem` says why it
    cannot be an event, when it cannot, `code` and `field` say it for programs; `was` is the row as it was."""

    number: int
    item: bytes
    problem: str = ""
    code: str = ""
    field: str = ""
    was: Any = None


def mapped(lines: Iterable[Line], calls: Calls, longest: int) -> Iterator[Row]:
    """The rows as calls. One whose call has `longest` bytes or more cannot be sent."""
    for line in lines:
        if line.cells is None:
            yield Row(line.number, b"", line.flaw, "unreadable", was=line.was)
            continue
        try:
            item = calls.item(line.cells)
        except Rejected as error:
            yield Row(line.number, b"", str(error), error.code, error.field, line.was)
            continue
        if len(item) < longest:
            yield Row(line.number, item, was=line.was)
        else:
            why = f"the row is too long to be an event: the call has {len(item):,} bytes, {longest:,} or more"
            yield Row(line.number, b"", why, "too_large", was=line.was)


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
