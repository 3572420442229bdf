"""From a cell to a value of a call: text, exact numbers, true and false, times. Pure.

A cell is text (CSV), or what Parquet and JSON have: numbers, true and false, times, objects. Numbers never pass
through a float on their way: `12,10` becomes 12.10, digit for digit.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from services.errors import Rejected
from services.ingest.explain import shown
from services.ingest.imports.mapping import Moment, Value

Convert = Callable[[Any], Any]  # raises ValueError with what was expected

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_LONGEST_NUMBER = 64  # characters
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def converter(value: Value | Moment) -> Convert:
    """What makes the value of a cell that is not empty."""
    if isinstance(value, Moment) or value.type == "time":
        return moment(value.format, value.zone)
    if value.type == "number":
        return number(value.decimal, value.thousands)
    if value.type == "boolean":
        return boolean(value.true, value.false)
    return text if value.type == "text" else as_it_is


def converted(convert: Convert, cell: Any, column: str, field: str) -> Any:
    """The value of a cell. Raises Rejected, naming the column and what was expected, when it cannot be made."""
    try:
        return convert(cell)
    except ValueError as error:
        got = shown(cell) if isinstance(cell, str | int | float | bool) else shown(str(cell))
        what = f'column "{column}" is {got}; expected {error}'
        raise Rejected("invalid_value", what, field, str(error), got) from None


def as_it_is(cell: Any) -> Any:
    """The cell itself; bytes are read as UTF-8, as older programs write text into Parquet."""
    if isinstance(cell, bytes):
        return _utf8(cell)
    if isinstance(cell, timedelta):
        raise ValueError("a value that JSON can hold, not a duration")
    return cell


def text(cell: Any) -> str:
    """Text. A whole number has no decimal point, also when the file has it as 17.0."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bytes):
        return _utf8(cell)
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, int | float | Decimal):
        return str(cell)
    if isinstance(cell, date | time):
        return cell.isoformat()
    raise ValueError("text")


def number(decimal: str = ".", thousands: str = "") -> Convert:
    """Numbers as they are written, digit for digit."""
    example = f"1{thousands}234{decimal}50"

    def convert(cell: Any) -> int | Decimal | float:
        if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
            return cell
        found = cell.strip() if isinstance(cell, str) else ""
        if thousands:
            found = _ungrouped(found, decimal, thousands)
        if decimal != ".":
            found = found.replace(".", "?").replace(decimal, ".")
        if len(found) > _LONGEST_NUMBER or not _NUMBER.fullmatch(found) or not found.isascii():
            raise ValueError(f"a number like {example}")
        return int(found) if found.isdigit() else Decimal(found)

    return convert


def _ungrouped(found: str, decimal: str, thousands: str) -> str:
    """The number without the signs between its thousands; "?" when they stand anywhere else."""
    whole, point, rest = found.partition(decimal)
    groups = whole.lstrip("+-").split(thousands)
    if len(groups) > 1 and (not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:])):
        return "?"
    return whole.replace(thousands, "") + point + rest


def boolean(true: tuple[str, ...], false: tuple[str, ...]) -> Convert:
    """True and false by the words for them; capitals do not matter."""
    known = {word.casefold(): value for value, words in ((False, false), (True, true)) for word in words}

    def convert(cell: Any) -> bool:
        found = known.get(text(cell).strip().casefold())
        if found is None:
            raise ValueError(f"one of {', '.join((*true, *false))}")
        return found

    return convert


def moment(form: str, zone: str) -> Convert:
    """A time as ISO 8601 in UTC, to the millisecond. One that does not say its zone is of `zone`; of an hour that the
    clocks show twice, it is the first."""
    read, expected = _reading(form), _expected(form)
    there = UTC if zone == "UTC" else ZoneInfo(zone)

    def convert(cell: Any) -> str:
        try:
            found = _already(cell) if isinstance(cell, date) else read(cell)
            found = found if found.tzinfo else found.replace(tzinfo=there)
            return found.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        except (ValueError, OverflowError, TypeError, AttributeError):
            raise ValueError(expected) from None

    written = lru_cache(4_096)(convert)  # many rows are of one day
    return lambda cell: written(cell) if isinstance(cell, str) else convert(cell)


def _already(cell: date) -> datetime:
    return cell if isinstance(cell, datetime) else datetime.combine(cell, time())


def _reading(form: str) -> Callable[[Any], datetime]:
    if form == "iso":
        return lambda cell: datetime.fromisoformat(cell.strip())
    if form in ("epoch", "epoch_ms"):
        unit = 1_000_000 if form == "epoch" else 1_000
        return lambda cell: _EPOCH + timedelta(microseconds=int(Decimal(str(cell).strip()) * unit))
    return lambda cell: datetime.strptime(cell.strip(), form)


def _expected(form: str) -> str:
    if form == "iso":
        return "a date and time like 2026-01-31T12:00:00 (say `format` when it is written otherwise)"
    if form in ("epoch", "epoch_ms"):
        return f"{'seconds' if form == 'epoch' else 'milliseconds'} since 1970"
    return f"a time written as {form}, like {datetime(2026, 1, 31, 12, 30).strftime(form)}"


def _utf8(cell: bytes) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        raise ValueError("text; these are bytes") from None
