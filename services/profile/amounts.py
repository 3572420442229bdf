"""Exact amounts: a number becomes a whole count of units of 10^-9, and sums of those are exact in any order."""

from decimal import ROUND_DOWN, Context, Decimal
from typing import Any

UNITS = 10**9  # in one
MOST = 10**18  # amounts at or beyond it, either way, are not counted
_MOST = Decimal(MOST)
_UNIT = Decimal(1).scaleb(-9)
_EXACT = Context(prec=40, rounding=ROUND_DOWN)  # 18 digits before the point and 9 after it fit without rounding


def units(value: Any) -> int | None:
    """The amount in units, truncated toward zero at nine places; None when it is not a number or out of bounds.

    Only JSON numbers are numbers: "39.95" in quotes is a text, as it is for conditions, and true is not 1.
    """
    if type(value) is int:
        return value * UNITS if -MOST < value < MOST else None
    if type(value) is not Decimal or not -_MOST < value < _MOST:
        return None
    return int(_EXACT.scaleb(_EXACT.quantize(value, _UNIT), 9))


def text(units: int) -> str:
    """The amount as a JSON number without exponent and needless zeros: "39.95", "-0.5", "40"."""
    whole, rest = divmod(abs(units), UNITS)
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{rest:09d}".rstrip("0") if rest else f"{sign}{whole}"
