"""JSON with exact numbers, and how a value is found in it by name.

A JSON number with a fraction or an exponent becomes a Decimal, never a float: 0.1 + 0.2 is 0.3 here, and a number
looks the same in the stream and in the warehouse.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec


def _number(text: str) -> Decimal | None:
    """The exact number, or None for one whose exponent no Decimal can hold (1e99999999999999999999)."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


_decode = msgspec.json.Decoder(float_hook=_number).decode


def value(text: bytes | str) -> Any:
    """A JSON text as Python values with exact numbers; None when it is no JSON or nested too deep to be read.

    The collectors let nothing of that kind through; if something is there all the same, it must not stop a partition.
    """
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def properties(raw: Any) -> dict[str, Any]:
    """The object in a `Json` field of the wire, with exact numbers; empty when it is none."""
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
