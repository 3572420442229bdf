"""JSON with exact numbers, how a value is found in it by name, and its one text.

A number is the same in the stream and in the warehouse (docs/decisions/0009-numbers-are-the-same-in-both-engines.md):
whole numbers of 64 bits are themselves; one with a fraction or an exponent is the shortest decimal that its double
has, so 39.95 is 39.95 and 0.1 + 0.2 is 0.3; a whole number beyond 64 bits is an id rather than an amount, and taken as
the text of its digits.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any

import msgspec

_LONG = re.compile(rb"[0-9]{19}")  # what 64 bits may not hold
_ESCAPED = re.compile(r"\\(?:u00([0-9a-f]{2})|.)|[\u2028\u2029]", re.DOTALL)
_LEAST, _MOST = -(2**63), 2**64 - 1
_EXPONENT = 1e21  # from here on a number is written with an exponent
_encode = msgspec.json.Encoder().encode


def _exactly(written: str) -> Decimal | None:
    """The number as it stands; None for one whose exponent no Decimal can hold (1e99999999999999999999)."""
    try:
        return Decimal(written)
    except InvalidOperation:
        return None


def _shortest(written: str) -> Decimal | str | None:
    """The shortest decimal of its double; None for one that no double can hold (1e400): ClickHouse reads none either.
    A whole one beyond 64 bits that is written without exponent (1e20, not 1e21) is the text of its digits as well."""
    double = float(written)
    if not isfinite(double):
        return None
    found = Decimal(repr(double))
    return found if _LEAST <= double < _MOST or abs(double) >= _EXPONENT else f"{found:f}"


_read_exactly = msgspec.json.Decoder(float_hook=_exactly).decode
_read_sent = msgspec.json.Decoder(float_hook=_shortest).decode


def value(json: bytes | str) -> Any:
    """A JSON text of our own as Python values, every number exactly as it is written; None when it is no JSON."""
    return _decoded(_read_exactly, json)


def sent(json: Any) -> Any:
    """A JSON text that a client sent, as Python values; None when it is no JSON or nested too deep to be read.

    The collectors let nothing of that kind through; if something is there all the same, it must not stop a partition.
    """
    found = _decoded(_read_sent, json)
    return _bounded(found) if _LONG.search(json if isinstance(json, bytes) else bytes(json)) else found


def _decoded(read: Callable[[Any], Any], json: Any) -> Any:
    try:
        return read(json)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _bounded(found: Any) -> Any:
    """The same with whole numbers beyond 64 bits as texts."""
    if type(found) is int:
        return found if _LEAST <= found <= _MOST else str(found)
    if type(found) is list:
        return [_bounded(one) for one in found]
    if type(found) is dict:
        return {name: _bounded(one) for name, one in found.items()}
    return found


def properties(raw: Any) -> dict[str, Any]:
    """The object in a `Json` field that a client sent; empty when it is none."""
    found = sent(raw)
    return found if isinstance(found, dict) else {}


def document(raw: Any) -> dict[str, Any]:
    """The object in a `Json` field that we wrote, a profile's; empty when it is none."""
    found = value(raw)
    return found if isinstance(found, dict) else {}


def find(values: Mapping[str, Any], name: str) -> Any:
    """The value called `name`, else the one at that dotted path ("address.city"); None when there is none."""
    if name in values:
        return values[name]
    found: Any = values
    for step in name.split(".") if "." in name else ():
        if not isinstance(found, Mapping) or step not in found:
            return None
        found = found[step]
    return None if found is values else found


def text(value: Any) -> str:
    """The JSON text of an exact value: one text a value, letter by letter as ClickHouse's JSONExtractRaw writes it."""
    kind = type(value)
    if kind is str:
        return quoted(value)
    if kind is Decimal:
        return number(value)
    if kind is list:
        return f"[{','.join(map(text, value))}]"
    if kind is dict:
        return f"{{{','.join(f'{quoted(name)}:{text(one)}' for name, one in value.items())}}}"
    return _encode(value).decode()


def quoted(value: str) -> str:
    """A text as JSON text."""
    found = _encode(value).decode()
    if "\\u00" in found or "\u2028" in found or "\u2029" in found:
        return _ESCAPED.sub(_escape, found)
    return found


def _escape(found: re.Match[str]) -> str:
    if found[1]:
        return f"\\u00{found[1].upper()}"
    return found[0] if found[0][0] == "\\" else f"\\u{ord(found[0]):04x}"


def number(value: int | Decimal) -> str:
    """A number as JSON text without needless zeros: plain from 10^-6 to below 10^21, as JavaScript does."""
    if type(value) is int:
        return str(value)
    value = Decimal(value)
    if not value:
        return "-0" if value.is_signed() else "0"
    if -7 < value.adjusted() < 21:
        plain = f"{value:f}"
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    sign, digits, _ = value.as_tuple()
    figures = "".join(map(str, digits)).rstrip("0")
    fraction = f".{figures[1:]}" if figures[1:] else ""
    return f"{'-' * sign}{figures[0]}{fraction}e{value.adjusted()}"
