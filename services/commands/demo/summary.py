"""What the demo prints at its end: what happened, and whether every figure is what it must be."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.text import Text

from services.commands.audit import show
from services.commands.demo.cdnow import Totals
from services.commands.demo.checks import Check, shown
from services.commands.demo.followups import FollowUp
from services.commands.demo.person import Person
from services.commands.demo.story import EMAIL
from services.commands.show import instant, remarks, table
from services.runtime.audit import Report
from services.runtime.files import Running

RIGHT, WRONG = Text("agrees", style="green"), Text("DIFFERS", style="bold red")


class Speed(NamedTuple):
    """CDNOW's way: how many events, whether all were new, and the seconds until all were accepted, and visible."""

    events: int
    new: bool
    accepted: float
    visible: float


def verdict(right: bool) -> Text:
    """A word and a colour."""
    return RIGHT if right else WRONG


def events(before: Mapping[str, int], after: Mapping[str, int]) -> None:
    """What became of every event: in this run, and altogether."""
    columns = ("events", "in this run", "altogether")
    rows = [(name, count - before[name], count) for name, count in after.items()]
    table("Events (the story was sent twice)", columns, rows, numbers=columns[1:])


def totals(expected: Totals, archive: Totals, profiles: Totals) -> None:
    """CDNOW's figures: as the file says, as the archive of touchpoints says, as the profiles say."""
    rows = [
        (name, shown(want), shown(a), shown(p), verdict(want == a == p))
        for name, want, a, p in zip(("customers", "orders", "CDs", "revenue"), expected, archive, profiles, strict=True)
    ]
    columns = ("CDNOW", "the file", "ClickHouse: touchpoints", "ClickHouse: profiles", "")
    table("CDNOW, figure by figure", columns, rows, numbers=columns[1:4])


_PERSON: Mapping[str, Callable[[Person], str]] = {
    "profile": lambda person: person.profile_id,
    "identifiers": lambda person: "\n".join(person.identifiers),
    "traits": lambda person: _pairs(person.traits),
    "computed": lambda person: _pairs(person.computed),
    "audiences": lambda person: "\n".join(person.audiences),
    "touchpoints": lambda person: str(person.touchpoints),
}


def story(before: Person | None, after: Person, timeline: Iterable[Mapping[str, Any]]) -> None:
    """Mei before the log-in and after the order, and what she did in the order of time."""
    rows = [(name, show(before) if before else "", show(after)) for name, show in _PERSON.items()]
    then = "before the log-in" if before else "(told in an earlier run)"
    table("The story: one person", ("", then, "after the order"), rows)
    did = [
        (instant(one["timestamp"])[11:], one["type"], one["event"], one["anchor"], one["source"])
        for one in reversed(list(timeline))
    ]
    table("What she did", ("when", "call", "event", "known by", "source"), did)


def _pairs(values: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in values.items())


def audiences(counts: Mapping[str, int]) -> None:
    """How many people each audience has."""
    table("Audiences", ("audience", "people"), list(counts.items()), numbers=("people",))


def followups(found: Iterable[FollowUp]) -> None:
    """What each rule sent, against what it must have sent."""
    columns = ("rule", "what", "must be", "received", "now", "twice", "")
    rows = [(f.rule, f.what, f.expected, f.received, f.now, f.twice, verdict(f.right)) for f in found]
    table(
        "Follow-ups, as the mail server and the receiver of signed webhooks have them",
        columns,
        rows,
        numbers=columns[2:6],
    )


def speed(found: Speed) -> None:
    """How quick it was; nothing when some of it was known already."""
    moments = {"accepted, on disk": found.accepted, "visible in every profile and in ClickHouse": found.visible}
    rows = [(name, f"{after:.1f} s", f"{found.events / after:,.0f}") for name, after in moments.items()]
    if found.new:
        columns = (f"{found.events:,} events", "after", "events/s")
        table("Speed, from the first event sent", columns, rows, numbers=columns[1:])


def books(report: Report) -> None:
    """That the books balance; all of them when they do not."""
    if report.balanced:
        print(f"The books balance: the audit compared {len(report.accounts)} accounts of every store.")
    else:
        show(report)


def wrong(checks: Iterable[Check]) -> bool:
    """Print every check that failed, or that none did. Returns whether there was one."""
    every = list(checks)
    rows = [(check.name, shown(check.expected), shown(check.found)) for check in every if not check.right]
    if rows:
        table("What is not as it must be", ("", "must be", "is"), rows)
    else:
        print(f"All {len(every)} checks agree.")
    return bool(rows)


def farewell(running: Running, data: Path) -> None:
    """What to try, now that everything is up."""
    option = "" if data == Path("data") else f" --data {data}"
    sql = "SELECT event, count() FROM touchpoints GROUP BY event"
    remarks().print(
        f"\n[bold]Rapport stays up at {running.url}[/bold]; Ctrl-C ends it. Try, in another terminal:\n"
        f"  curl {running.url}/v1/profiles/by/email/{EMAIL}\n"
        f"  .venv/bin/rapport query{option} '{sql}'\n"
        f"  curl 'http://127.0.0.1:{running.clickhouse_port}/?user=reader&query=SHOW+TABLES'\n"
        f"  .venv/bin/rapport audit{option}\n"
        f"  ls {data}/demo/mailbox {data}/demo/webhooks.jsonl\n"
        f"API documentation: {running.url}/docs"
    )
