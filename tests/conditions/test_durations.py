"""Durations are read as people write them, and written as they can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.conditions.durations import milliseconds, written


@given(st.integers(1, 999_999), st.sampled_from("smhd"))
def test_what_is_written_is_read_as_the_same(number: int, unit: str) -> None:
    millis = milliseconds(f"{number}{unit}")
    assert milliseconds(written(millis)) == millis


def test_the_largest_unit_is_used() -> None:
    assert [written(milliseconds(text)) for text in ("7d", "90s", "60m", "24h")] == ["7d", "90s", "1h", "1d"]


@pytest.mark.parametrize("wrong", ["", "5", "1.5h", "-1m", "1w", "1234567s", "m", 5, None])
def test_anything_else_is_explained(wrong: object) -> None:
    with pytest.raises(ValueError, match="such as `30m`"):
        milliseconds(wrong)
