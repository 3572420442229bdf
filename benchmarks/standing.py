"""How many events are accepted, and how many of them can be seen, by the watermarks in the platform's own files."""

from bisect import bisect_left
from collections import deque
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from services.runtime import frames
from services.runtime.files import Files


class Stand(NamedTuple):
    """Events so far: on disk in the log, in profiles, and in ClickHouse (themselves and what profiles made of them)."""

    accepted: int
    in_profiles: int
    in_clickhouse: int

    @property
    def visible(self) -> int:
        """In profiles and in ClickHouse."""
        return min(self.in_profiles, self.in_clickhouse)


class Standing:
    """Looks at the files of a platform that is up. An event is one line of the topic `touchpoints`."""

    def __init__(self, folder: Path):
        files = Files(folder)
        self._log, self._state, self._warehouse = map(frames.open_reader, (files.log, files.state, files.warehouse))
        self._ends: list[int] = []  # of each frame, how many events there are up to its end
        self._published: deque[tuple[int, int]] = deque([(0, 0)])  # events folded, and the end of `profiles` then

    def look(self) -> Stand:
        """Where everything stands now."""
        archived = dict(self._warehouse.execute("SELECT topic, offset FROM watermarks").fetchall())
        folded, published = self._state.execute(
            "SELECT (SELECT offset FROM watermarks WHERE stage = 'fold' AND topic = 'touchpoints'),"
            " max(coalesce((SELECT max(offset) + 1 FROM frames WHERE topic = 'profiles'), 0),"
            " coalesce((SELECT before FROM trimmed WHERE topic = 'profiles'), 0))"
        ).fetchone()
        self._read_on()
        in_profiles = self._events(folded or 0)
        self._published.append((in_profiles, published))
        while len(self._published) > 1 and self._published[1][1] <= archived.get("profiles", 0):
            self._published.popleft()
        archive = self._events(archived.get("touchpoints", 0))
        return Stand(self._events(len(self._ends)), in_profiles, min(archive, self._published[0][0]))

    def _read_on(self) -> None:
        sql = "SELECT count FROM frames WHERE topic = 'touchpoints' AND offset >= ? ORDER BY offset"
        for (count,) in self._log.execute(sql, (len(self._ends),)):
            self._ends.append(self._events(len(self._ends)) + count)

    def _events(self, offset: int) -> int:
        """How many events lie below this offset."""
        return self._ends[offset - 1] if offset else 0


class Watch:
    """Looks again and again, and knows how long it took until what was accepted could be seen."""

    def __init__(self, standing: Standing):
        self._standing = standing
        self.seen: list[tuple[float, Stand]] = []  # when (perf_counter), and where everything stood

    def look(self) -> Stand:
        """Look, and remember it."""
        self.seen.append((perf_counter(), self._standing.look()))
        return self.seen[-1][1]

    def delays(self) -> list[float]:
        """Of each look, the seconds until what was accepted by then was visible in a later one; ascending.

        Meant for when everything is visible; looks whose events are not are left out.
        """
        visible = [stand.visible for _, stand in self.seen]
        then = [bisect_left(visible, stand.accepted) for _, stand in self.seen]
        return sorted(
            self.seen[later][0] - at for (at, _), later in zip(self.seen, then, strict=True) if later < len(visible)
        )
