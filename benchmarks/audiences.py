"""How many people are judged a second, by audiences of every kind: as the stream judges them, one at a time as they
are looked at, and as ClickHouse does, all of them at once from their touchpoints.

The people, their touchpoints and their joins are those that the platform has by then. The closures judge some of them,
from cells that are folded here of the same touchpoints; both engines must come to the same audiences.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from time import perf_counter, thread_time, time
from typing import Any, NamedTuple
from zlib import crc32

import httpx
import msgspec

from benchmarks.processes import Meter
from benchmarks.subject import Subject
from schemas import fast
from schemas.identifiers import profile_id
from services.errors import RapportError
from services.identity import records as identity
from services.profile.add import add
from services.profile.cell import Cell, join
from services.profile.definitions import Audience, Definitions, Trait
from services.profile.sql import audience_sql, audiences_sql
from services.profile.view import View
from services.runtime import frames
from services.runtime.files import Files

MOST = 10_000  # people that the closures judge, about
PATIENCE = 120  # seconds that ClickHouse gets for an answer

TRAITS = [
    {"name": "orders", "event": "Order Completed", "count": True},
    {"name": "spent", "event": "Order Completed", "sum": "total"},
    {"name": "mean_order", "event": "Order Completed", "average": "total"},
    {"name": "days_since_order", "event": "Order Completed", "days_since": True},
    {"name": "products", "event": "Product Viewed", "distinct": "product_id"},
    {"name": "views_lately", "event": "Product Viewed", "count": True, "within": "1m"},
]
AUDIENCES = {
    "trait_told": {"trait": "plan", "is": "free"},
    "trait_computed": {"trait": "spent", "gte": 40},
    "trait_of_a_window": {"trait": "views_lately", "gte": 2},
    "event_ever": {"event": "Product Viewed", "at_least": 3},
    "event_within_a_time": {"event": "page", "at_least": 2, "within": "1m"},
    "sequence": {"did": "Product Viewed", "then_not": "Order Completed", "within": "1m"},
    "consent": {"not": {"consent": "email", "is": "denied"}},
    "several_of_them": {
        "all": [
            {"any": [{"trait": "products", "gte": 2}, {"trait": "mean_order", "gt": 10}]},
            {"not": {"audience": "sequence"}},
            {"trait": "days_since_order", "lt": 30},
        ]
    },
}
"""What is asked, by the kind of condition."""


class People(NamedTuple):
    """Some people: the cell of each by profile id, and how many touchpoints are in them."""

    cells: dict[str, Cell]
    touchpoints: int


def definitions() -> Definitions:
    """The traits and audiences that are judged."""
    traits = [Trait.model_validate(trait) for trait in TRAITS]
    return Definitions(traits, [Audience.model_validate({"name": name, "who": who}) for name, who in AUDIENCES.items()])


def judge(subject: Subject) -> dict[str, Any]:
    """Both engines, at one instant. Meant for when everything is visible. Raises RapportError when they differ."""
    made, now, counted = definitions(), int(time() * 1000), subject.counted()
    people = fold(subject.folder, made, share=max(1, counted["people"] // MOST))
    views, closures = _by_closures(made, people.cells, now)
    inside, sql = _by_sql(subject, made, now)
    compare({owner: list(view.audiences) for owner, view in views.items()}, inside)
    return {
        "closures": closures | {"people": len(views), "touchpoints": people.touchpoints},
        "sql": sql | {"people": len(inside), "touchpoints": counted["in ClickHouse's archive"]},
    }


def fold(folder: Path, made: Definitions, share: int) -> People:
    """One person of so many: their cells by these definitions, of everything in the log."""
    files = Files(folder)
    owners, cells, touchpoints = _owners(files), dict[str, Cell](), 0
    for touchpoint in _log(files):
        key = profile_id(touchpoint.workspace, touchpoint.anchor)
        if crc32(owners.get(key, key).encode()) % share == 0:
            cells[key] = add(cells.get(key) or Cell(), touchpoint, made)
            touchpoints += 1
    found: dict[str, Cell] = {}
    for key, cell in cells.items():
        owner = owners.get(key, key)
        found[owner] = join(found[owner], cell) if owner in found else cell
    return People(found, touchpoints)


def _owners(files: Files) -> dict[str, str]:
    """By the key of an identifier, the profile it belongs to."""
    decode = msgspec.msgpack.Decoder(identity.Record).decode
    with closing(frames.open_reader(files.state)) as state:
        records = [(key, decode(value)) for key, value in state.execute("SELECT key, value FROM records_identity")]
    return {key: record.owner for key, record in records if isinstance(record, identity.Known)}


def _log(files: Files) -> Iterator[fast.Touchpoint]:
    decode = msgspec.json.Decoder(fast.Touchpoint).decode_lines
    with closing(frames.open_reader(files.log)) as log:
        for (body,) in log.execute("SELECT body FROM frames WHERE topic = 'touchpoints' ORDER BY offset"):
            yield from decode(body)


def _by_closures(made: Definitions, cells: Mapping[str, Cell], now: int) -> tuple[dict[str, View], dict[str, Any]]:
    """Everybody's audiences and the instant at which they are next looked at; then each audience alone."""
    began = thread_time()
    views = {owner: View(cell, made, now) for owner, cell in cells.items()}
    together = thread_time() - began
    alone = {}
    for name, holds in made.who:
        began = thread_time()
        for view in views.values():
            holds(view)
        alone[name] = (thread_time() - began) / len(views) * 1e6
    return views, {"us_per_person": together / len(views) * 1e6, "each_us_per_person": alone}


def _by_sql(subject: Subject, made: Definitions, now: int) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """All audiences in one statement, and each in its own."""
    seconds, spent, lines = _ask(subject, audiences_sql(made), now)
    inside = {str(owner): list(names) for owner, names in map(msgspec.json.decode, lines)}
    each = {name: _ask(subject, audience_sql(made, name), now) for name, _ in made.who}
    alone = {name: {"seconds": one[0], "cpu_seconds": one[1]} for name, one in each.items()}
    return inside, {"seconds": seconds, "cpu_seconds": spent, "each": alone}


def _ask(subject: Subject, sql: str, now: int) -> tuple[float, float, list[bytes]]:
    """Seconds, CPU seconds of the warehouse, and the rows as JSON."""
    meter, began = Meter(subject.pids), perf_counter()
    answer = httpx.post(
        f"http://127.0.0.1:{subject.clickhouse_port}/", content=sql.encode(), timeout=PATIENCE,
        params={"user": "reader", "default_format": "JSONCompactEachRow", "param_workspace": "main",
                "param_now": str(now)},
    )  # fmt: skip
    if answer.status_code != 200:
        raise RapportError(f"ClickHouse does not judge: {answer.text[:500]}")
    return perf_counter() - began, meter.read()["warehouse"], answer.content.splitlines()


def compare(stream: Mapping[str, list[str]], sql: Mapping[str, list[str]]) -> None:
    """Raises RapportError unless everybody whom the stream has judged is in the same audiences by SQL."""
    differing = [owner for owner, names in stream.items() if sql.get(owner) != names]
    if differing:
        one = differing[0]
        raise RapportError(
            f"{len(differing)} of {len(stream)} people are in other audiences by the stream than by ClickHouse, such as"
            f" {one}: {stream[one]}, {sql.get(one)}"
        )
