"""The collector's stamps: a wrong clock is corrected, nothing happens after it was received, nobody back-dates far."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Rejected
from services.ingest.stamps import LATEST, millis, stamp

NOW = 1_770_000_000_000
DAY = 86_400_000
times = st.integers(0, LATEST)


@given(st.none() | times, st.none() | times, times, st.none() | st.integers(0, 10 * DAY))
def test_stamps_stay_within_their_bounds(
    original: int | None, sent_at: int | None, received_at: int, backdate: int | None
) -> None:
    stamps = stamp(original, sent_at, received_at, backdate)
    assert 0 <= stamps.timestamp <= stamps.evidence_at <= received_at
    assert (stamps.original, stamps.sent_at) == (original, sent_at)
    if backdate is None:
        assert stamps.evidence_at == stamps.timestamp
    else:
        assert stamps.evidence_at >= received_at - backdate


@given(st.integers(0, 30 * DAY), st.integers(-400 * DAY, 400 * DAY))
def test_a_clock_that_is_wrong_by_any_amount_changes_nothing(delay: int, skew: int) -> None:
    """Only the time between what happened and its sending counts, when the client says when it sent."""
    right = stamp(NOW - delay, NOW, NOW, None)
    wrong = stamp(NOW - delay + skew, NOW + skew, NOW, None)
    assert right.timestamp == wrong.timestamp == NOW - delay


def test_without_sent_at_the_clients_time_stands_unless_it_is_in_the_future() -> None:
    assert stamp(NOW - 5, None, NOW, None).timestamp == NOW - 5
    assert stamp(NOW + 5, None, NOW, None).timestamp == NOW


def test_without_a_timestamp_it_happened_when_it_was_received() -> None:
    assert stamp(None, NOW - 7, NOW, DAY)[:2] == (NOW, NOW)


def test_an_event_dated_2001_is_no_evidence_older_than_a_day_unless_its_source_is_trusted() -> None:
    dated = 1_000_000_000_000
    assert stamp(dated, None, NOW, DAY)[:2] == (dated, NOW - DAY)
    assert stamp(dated, None, NOW, None)[:2] == (dated, dated)


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)), st.integers(-14 * 60, 14 * 60))
def test_iso_times_of_any_zone_are_read_to_the_millisecond(moment: datetime, minutes: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    expected = (zoned - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert millis(zoned.isoformat(), "timestamp") == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-01-31T12:00:00Z", 1_769_860_800_000),
        ("2026-01-31T12:00:00.1234567Z", 1_769_860_800_123),
        ("2026-01-31T20:00:00+0800", 1_769_860_800_000),
        ("2026-01-31 12:00:00", 1_769_860_800_000),
        ("2026-01-31", 1_769_817_600_000),
        (1_769_860_800_000, 1_769_860_800_000),
        ("", None),
        (None, None),
    ],
)
def test_times_may_be_written_in_these_ways(written: str | int | None, expected: int | None) -> None:
    assert millis(written, "timestamp") == expected


@pytest.mark.parametrize(
    "nonsense",
    ["yesterday", "2026-02-30T00:00:00Z", "2026-13-01", "31/01/2026", "1969-12-31T23:59:59Z", "1", -1, 10**18, 0],
)
def test_a_nonsense_time_is_refused_with_what_was_expected(nonsense: str | int) -> None:
    with pytest.raises(Rejected) as refused:
        millis(nonsense, "timestamp")
    assert refused.value.code == "invalid_time"
    assert refused.value.field == "timestamp"
    assert "ISO 8601" in refused.value.expected
    assert refused.value.got == str(nonsense)


def test_seconds_sent_for_milliseconds_are_told_apart() -> None:
    with pytest.raises(Rejected) as refused:
        millis(1_769_860_800, "timestamp")
    assert "multiply" in refused.value.hint
