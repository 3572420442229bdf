"""Quiet hours: until when somebody is not written to, by the clock of where they are."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from schemas import fast
from schemas.fast import Profile, Touchpoint
from services.automation.sending import Quiet, zone
from services.automation.values import of_traits

_MINUTE = timedelta(minutes=1)


def zone_of(profile: Profile, cause: Touchpoint, quiet: Quiet) -> ZoneInfo:
    """Where the person is: by the trait `timezone` or `time_zone` that was told, else by the context of the touchpoint,
    else where everybody is. A name that no zone has is passed over."""
    traits = of_traits(profile)
    told = (traits.get("timezone"), traits.get("time_zone"), fast.loads(cause.context).get("timezone"), quiet.time_zone)
    return next(found for name in told if (found := zone(name)) is not None)


def quiet_until(quiet: Quiet, place: ZoneInfo, now: int) -> int:
    """When it will not be quiet any more (epoch ms); 0 when it is not quiet now."""
    here = datetime.fromtimestamp(now / 1000, UTC).astimezone(place)
    if not quiet.holds(here.time()):
        return 0
    ends = (at for day in range(4) for at in _ends(quiet, here.date() + timedelta(day), place) if at > here)
    end = next(at for at in ends if not _holds(quiet, at, place))  # a clock put forward may pass over them
    while not _holds(quiet, end - _MINUTE, place):
        end -= _MINUTE  # the clock was put forward over the end
    return int(end.timestamp() * 1000)


def shown(at: int, place: ZoneInfo) -> str:
    """An instant (epoch ms) by the clock of a place, for people."""
    return f"{datetime.fromtimestamp(at / 1000, place):%Y-%m-%d %H:%M} ({place.key})"


def _holds(quiet: Quiet, at: datetime, place: ZoneInfo) -> bool:
    return quiet.holds(at.astimezone(place).time())


def _ends(quiet: Quiet, day: date, place: ZoneInfo) -> list[datetime]:
    """When the quiet hours end on this day, in UTC: twice where the clock is put back over their end."""
    end = datetime.combine(day, time.fromisoformat(quiet.end), place)
    return sorted({end.astimezone(UTC), end.replace(fold=1).astimezone(UTC)})
