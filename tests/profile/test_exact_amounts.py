"""Amounts are exact: truncated toward zero at nine places, bounded, and added as whole numbers."""

from decimal import Decimal
from fractions import Fraction
from math import trunc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.conditions import exact
from services.profile.amounts import MOST, UNITS, text, units

decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**19), max_value=10**19)
written = st.from_regex(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@given(st.integers(-(10**19), 10**19) | decimals | written.map(lambda number: exact.value(number)))
def test_an_amount_is_truncated_toward_zero_at_nine_places(value: int | Decimal) -> None:
    inside = -MOST < value < MOST
    assert units(value) == (trunc(Fraction(value) * UNITS) if inside else None)


@given(st.integers(-(10**30), 10**30))
def test_the_text_of_an_amount_is_a_json_number_that_says_exactly_it(amount: int) -> None:
    assert Fraction(exact.value(text(amount))) * UNITS == amount
    assert not text(amount).endswith(".")


@pytest.mark.parametrize(
    "value",
    [
        "39,95",
        "$5",
        " 5",
        "",
        "1e3",
        "9" * 19,
        "1" * 65,
        "٣",
        True,
        None,
        [],
        {},
        10**18,
        -(10**18),
        Decimal("1E+18"),
        Decimal("1E+9999"),
    ],
)
def test_what_is_no_number_or_out_of_bounds_is_not_counted(value: Any) -> None:
    assert units(value) is None


@pytest.mark.parametrize("written", ["39.95", "-0.5", "40", "007", "0.1234567891"])
def test_a_decimal_number_in_quotes_counts_like_the_number(written: str) -> None:
    assert units(written) == units(Decimal(written))


@pytest.mark.parametrize(
    ("amount", "expected"),
    [(39_950_000_000, "39.95"), (-500_000_000, "-0.5"), (0, "0"), (40 * UNITS, "40"), (1, "0.000000001")],
)
def test_amounts_are_written_plainly(amount: int, expected: str) -> None:
    assert text(amount) == expected


def test_nothing_is_rounded_up_however_many_digits_there_are() -> None:
    assert units(Decimal("0." + "9" * 70)) == UNITS - 1
    assert units(Decimal("-0." + "9" * 70)) == 1 - UNITS
    assert units(Decimal("9" * 18 + "." + "9" * 70)) == MOST * UNITS - 1
