"""The course of the demo on a platform that is up: CDNOW in, the story told, everything compared."""

import time
from collections.abc import Sequence

import httpx

from services.commands.demo import checks, story, summary
from services.commands.demo.cdnow import Purchase, totals
from services.commands.demo.channels import Channels
from services.commands.demo.figures import Figures
from services.commands.demo.followups import FollowUp, Receipts, followups, vips
from services.commands.demo.load import Loaded, load
from services.commands.demo.person import Person, look_up, timeline
from services.commands.demo.sinks import Sinks
from services.commands.demo.summary import Speed
from services.commands.demo.visible import visible
from services.commands.demo.watch import Watch
from services.commands.reach import files_of, http
from services.commands.show import progress, remarks
from services.commands.sources import chosen
from services.commands.waiting import bars
from services.configuration import load_config
from services.runtime.audit import audit
from services.runtime.files import Running
from services.runtime.settings import Settings

WEBSITE, SHOP, HISTORY = "web", "shop", "import"  # sources (config/sources.yaml)
REMEMBERED = 6 * 24 * 3_600_000  # ms for which a story told before is surely still known by its ids


class Course:
    """Runs once. `purchases` are CDNOW's, or the first of them."""

    def __init__(
        self, settings: Settings, running: Running, watch: Watch, sinks: Sinks, channels: Channels,
        purchases: Sequence[Purchase],
    ):  # fmt: skip
        self._settings, self._running, self._watch, self._sinks = settings, running, watch, sinks
        self._channels = channels
        self._purchases = purchases
        self._figures = Figures(settings, running, HISTORY)
        self._files = files_of(settings)
        self._before = Receipts(sinks)

    def run(self) -> bool:
        """Do everything and print the summary. Returns whether every figure is what it must be."""
        books = self._figures.books()
        key = self._settings.read_key.get_secret_value() if self._settings.read_key else ""
        with http(self._running, key) as client:
            loaded, speed = self._history()
            before, after = self._story(client)
            sent = self._followups()
            with bars() as told:
                report = audit(self._settings, told)
            did = timeline(client, after.profile_id)
        expected, archive, profiles = totals(self._purchases), self._figures.archive(), self._figures.profiles()
        summary.story(before, after, did)
        summary.audiences(self._figures.audiences())
        summary.followups(sent)
        summary.totals(expected, archive, profiles)
        summary.events(books, self._figures.books())
        summary.speed(speed)
        summary.books(report)
        return not summary.wrong(
            [
                checks.Check("CDNOW: rejected", 0, loaded.tally.rejected),
                *checks.of_totals(expected, archive, "CDNOW in ClickHouse's touchpoints"),
                *checks.of_totals(expected, profiles, "CDNOW in ClickHouse's profiles"),
                *checks.of_person(after),
                *checks.of_followups(sent),
                checks.Check("the books balance", True, report.balanced),
            ]
        )

    def _history(self) -> tuple[Loaded, Speed]:
        """CDNOW through the import; returns when all of it can be seen."""
        source = chosen(self._settings.config, HISTORY)
        limits, count = load_config(self._settings.config).limits, len(self._purchases)
        known = self._figures.arrived()
        with progress("purchases") as shown, http(self._running) as client:
            accepted = shown.add_task("accepted, on disk", total=count)
            seen = shown.add_task("visible in profiles and ClickHouse", total=count)

            def look() -> float:
                share = visible(self._files)
                shown.update(seen, completed=int(count * share))
                return share

            def advance(answered: int) -> None:
                shown.advance(accepted, answered)
                look()

            loaded = load(client, source.write_key, limits, self._purchases, advance)
            self._watch.until("every purchase in profiles and ClickHouse", look, lambda share: share >= 1)
        seconds = time.monotonic() - loaded.began
        return loaded, Speed(count, known == 0, loaded.ended - loaded.began, seconds)

    def _story(self, client: httpx.Client) -> tuple[Person | None, Person]:
        """The story, unless it was told so long ago that its ids may be forgotten. Returns Mei before and after."""
        known = look_up(client, "user_id", story.CUSTOMER)
        before = None
        if known is None or time.time() * 1000 - known.first_seen < REMEMBERED:
            before = self._told(client, known)
        after = self._watch.until(
            "Mei's order in her profile", lambda: look_up(client, "user_id", story.CUSTOMER), complete
        )
        assert after is not None
        return before, after

    def _told(self, client: httpx.Client, known: Person | None) -> Person | None:
        website, shop = (chosen(self._settings.config, name).write_key for name in (WEBSITE, SHOP))
        told = story.browse(client, website)
        remarks().print(f"four visits: {', '.join(told.first)}; the same again: {', '.join(told.second)}")
        before = None
        if known is None:
            visits = len(story.visits())
            before = self._watch.until(
                "the visits in a profile",
                lambda: look_up(client, "anonymous_id", story.VISITOR),
                lambda person: person is not None and person.touchpoints >= visits,
            )
        story.log_in(self._running.url, website)
        self._watch.until(
            "the log-in in a profile",
            lambda: look_up(client, "user_id", story.CUSTOMER),
            lambda person: person is not None,
        )
        story.order(self._running.url, shop)
        self._channels.tell(client)
        return before

    def _followups(self) -> list[FollowUp]:
        """Wait until as much was received as must be, then a moment longer for what must not come."""
        expected = vips(self._purchases)
        self._watch.until(
            "the follow-ups of config/rules",
            lambda: followups(Receipts(self._sinks), self._before, expected),
            lambda found: all(one.received >= one.expected for one in found),
        )
        return followups(Receipts(self._sinks), self._before, expected)


def complete(person: Person | None) -> bool:
    """Whether the profile has the whole story."""
    return person is not None and person.touchpoints >= checks.TOUCHPOINTS and checks.AUDIENCE in person.audiences
