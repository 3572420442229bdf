"""Python values as JSON text.

Besides what JSON has: datetime and date (ISO 8601), UUID (text), Enum (its value), Decimal, and any Mapping. A Decimal
becomes a number; one with more digits than a JSON reader keeps (that is a double) becomes text, which Rapport adds up
like a number, to the last digit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

_LONGEST = 60  # digits of a number that are written out
_KNOWN = "text, a number, a boolean, None, a list, a mapping, datetime, date, UUID, Enum or Decimal"


def dumps(value: Mapping[str, Any]) -> bytes:
    """The value as JSON on one line, in UTF-8. Raises TypeError or ValueError that names what cannot be written."""
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise _explained(value, error) from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, as a cut emoji leaves behind, becomes U+FFFD
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _plain(value: object) -> object:
    if isinstance(value, Decimal) and value.is_finite():
        return _number(value)
    if isinstance(value, date):  # a datetime is one, too
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def _number(value: Decimal) -> int | float | str:
    """The number that means exactly this, or else its text."""
    if abs(value.adjusted()) > _LONGEST:
        return str(value)
    if value == value.to_integral_value() and abs(value) < 2**63:
        return int(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else f"{value:f}"


_encode = json.JSONEncoder(default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _explained(value: Mapping[str, Any], error: Exception) -> Exception:
    """The error that says where the first value is that cannot be written."""
    try:
        return next(_wrong("", value), ValueError(f"the event cannot be written as JSON: {error}"))
    except RecursionError:
        return ValueError("the event holds objects inside each other without end")


def _wrong(path: str, value: object) -> Iterator[Exception]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            if not isinstance(key, (str, int)):
                yield TypeError(f"{path or 'the event'} has the key {key!r}: keys must be text")
            yield from _wrong(f"{path}.{key}" if path else str(key), each)
    elif isinstance(value, (list, tuple)):
        for at, each in enumerate(value):
            yield from _wrong(f"{path}[{at}]", each)
    elif isinstance(value, (float, Decimal)):
        if not isfinite(value):
            yield ValueError(f"{path} is {value}: JSON has no such number; leave it out, or send None")
    elif value is not None and not isinstance(value, (str, int)):
        try:
            inner = _plain(value)
        except TypeError:
            yield TypeError(f"{path} is {type(value).__name__} {value!r:.80}: it must be {_KNOWN}")
        else:
            if isinstance(value, Enum):
                yield from _wrong(path, inner)
