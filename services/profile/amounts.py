"""Exact amounts: a number becomes a whole count of units of 10^-9, and sums of those are exact in any order."""

import re
from decimal import ROUND_DOWN, Context, Decimal
from typing import Any

UNITS = 10**9  # in one
MOST = 10**18  # amounts at or beyond it, either way, are not counted
LONGEST = 64  # characters of an amount in quotes
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_UNITS = Decimal(UNITS)
_EXACT = Context(prec=60, rounding=ROUND_DOWN)  # more digits than any sum has; what is cut off is below a unit


def units(value: Any) -> int | None:
    """The amount in units, truncated toward zero at nine places; None when it is not a number or out of bounds.

    A decimal number in quotes, "39.95", counts like the number: many shops send amounts so. True is not 1.
    """
    if type(value) is str and len(value) <= LONGEST and _DECIMAL.fullmatch(value):
        value = Decimal(value)
    if type(value) is int:
        return value * UNITS if -MOST < value < MOST else None
    if type(value) is not Decimal or (value.adjusted() >= 18 and value):
        return None
    return int(_EXACT.multiply(value, _UNITS))


def number(units: int) -> Decimal:
    """The amount as an exact number."""
    return _EXACT.scaleb(Decimal(units), -9)


def text(units: int) -> str:
    """The amount as a JSON number without exponent and needless zeros: "39.95", "-0.5", "40"."""
    whole, rest = divmod(abs(units), UNITS)
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{rest:09d}".rstrip("0") if rest else f"{sign}{whole}"
