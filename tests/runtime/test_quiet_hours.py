"""Quiet hours end at the right instant, whatever the zone and however the clocks are put forward and back."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.automation.sending import Quiet
from services.runtime.followups.quiet import quiet_until

MINUTE = 60_000
ZONES = [
    "UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
    "Pacific/Apia", "Africa/Casablanca", "America/St_Johns",
]  # fmt: skip
times = st.builds(lambda hour, minute: f"{hour:02}:{minute:02}", st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
nights = st.tuples(times, times).filter(lambda both: both[0] != both[1])
changes = [  # around the days on which clocks change, and Samoa had no 30 December 2011
    datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 3, 8), datetime(2026, 11, 1), datetime(2011, 12, 29),
    datetime(2026, 4, 5), datetime(2026, 10, 4), datetime(2026, 2, 15),
]  # fmt: skip
instants = st.builds(
    lambda day, minutes: int((day.replace(tzinfo=UTC) + timedelta(minutes=minutes)).timestamp() * 1000),
    st.sampled_from(changes), st.integers(-2_000, 4_000),
)  # fmt: skip


def made(begin: str, end: str) -> Quiet:
    return Quiet.model_validate({"from": begin, "to": end, "time_zone": "UTC"})


@example(1772928000000, ("02:15", "02:00"), "America/St_Johns")  # the quarter of an hour that there was not
@given(instants, nights, st.sampled_from(ZONES))
def test_it_is_quiet_until_then_and_not_any_more(now: int, night: tuple[str, str], name: str) -> None:
    quiet, place = made(*night), ZoneInfo(name)

    def quiet_at(at: int) -> bool:
        return quiet.holds(datetime.fromtimestamp(at / 1000, UTC).astimezone(place).time())

    until = quiet_until(quiet, place, now)
    if not quiet_at(now):
        assert until == 0
        return
    assert until > now and not quiet_at(until)
    start = now - now % MINUTE
    assert all(quiet_at(at) for at in range(max(now, start), until, MINUTE)), "not a minute later than needed"


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-28T23:30+01:00", "2026-03-29T08:00+02:00"),  # the night that is an hour shorter
        ("2026-10-24T23:30+02:00", "2026-10-25T08:00+01:00"),  # and the one that is longer
        ("2026-06-01T07:59+02:00", "2026-06-01T08:00+02:00"),
        ("2026-06-01T21:00+02:00", "2026-06-02T08:00+02:00"),
    ],
)
def test_the_morning_is_the_morning_of_the_clock_on_the_wall(at: str, until: str) -> None:
    millis = [int(datetime.fromisoformat(text).timestamp() * 1000) for text in (at, until)]
    assert quiet_until(made("21:00", "08:00"), ZoneInfo("Europe/Berlin"), millis[0]) == millis[1]
