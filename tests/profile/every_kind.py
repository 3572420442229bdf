"""Definitions with every kind of trait, plain and within a time, audiences over time, and the same worked out naively.

The naive way knows no cells: it looks at all touchpoints of a person at an instant and computes what the documentation
says in the plainest words.
"""

import random
from collections import Counter
from fractions import Fraction
from hashlib import md5
from typing import Any

from schemas import fast
from schemas.fast import Touchpoint
from services.conditions import exact
from services.profile.definitions import KINDS, Audience, Definitions, Trait
from tests.profile.profile_stages import NOON, touchpoint

MINUTE, DAY = 60_000, 86_400_000
WITHIN = {"2m": 2 * MINUTE, "5m": 5 * MINUTE}
VALUES: list[Any] = [0.1, 0.2, 3, -7.5, "3", "cd", "书", True, None, [1], 10**18, "x" * 300, 1e-10, {"a": 1}]


def _traits() -> list[Trait]:
    found = []
    for kind in KINDS:
        asked = {kind: True if kind in ("count", "days_since") else "v"}
        found.append(Trait(name=f"all_{kind}", event="A", **asked))
        if kind != "days_since":
            found += [Trait(name=f"{kind}_{text}", event="A", within=text, **asked) for text in WITHIN]
    return [*found, Trait(name="web_views", event="B", count=True, within="3m", where={"property": "w", "is": 1})]


WHO: dict[str, Any] = {
    "lively": {"event": "A", "at_least": 2, "within": "2m"},
    "quiet": {"not": {"event": "B", "within": "3m"}},
    "left": {"did": "A", "then_not": "B", "within": "1m"},
    "spent": {"trait": "sum_5m", "gt": 3},
    "fond": {"trait": "most_frequent_5m", "is": "cd"},
    "wide": {"all": [{"trait": "distinct_5m", "gte": 2}, {"not": {"audience": "left"}}]},
    "lost": {"any": [{"trait": "all_days_since", "gte": 2}, {"trait": "all_days_since", "is": 1}]},
    "both": {"all": [{"audience": "left"}, {"audience": "quiet"}]},
    "ever": {"trait": "all_count", "gte": 2},
}
EVERY = Definitions(_traits(), [Audience(name=name, who=who) for name, who in WHO.items()])
INSTANTS = [0, MINUTE, 2 * MINUTE, 3 * MINUTE, 5 * MINUTE, DAY, 2 * DAY, 3 * DAY]  # after a touchpoint: boundaries


def history(seed: int, most: int = 12, spread: int = 6 * MINUTE, people: int = 2, anchors: int = 1) -> list[Touchpoint]:
    """Touchpoints in the order of their receipt, some of them late, with times that meet each other's boundaries."""
    r = random.Random(seed)
    found, now = [], NOON
    liked = r.sample(VALUES, 4)
    for n in range(r.randint(most // 3, most)):
        now += r.choice([0, 0, 1, MINUTE // 2, MINUTE, 2 * MINUTE, r.randint(0, spread), *([DAY] if n == 4 else [])])
        person = r.randint(1, people)
        names = [f"user_id:{person}", f"email:{person}@x.io", f"anonymous_id:{person}"]
        ids = sorted(r.sample(names, r.randint(1, 2)) if anchors > 1 else names[:1], key=names.index)
        at = now - r.choice([0, 0, 0, 1, MINUTE, r.randint(0, spread)])
        properties = {"v": r.choice(liked), "w": r.randint(0, 1)}
        event = r.choice(["A", "A", "B", "page"])
        found.append(
            touchpoint(f"m{n}", *ids, event=event, at=at, received_at=now, evidence_at=at, properties=properties)
        )
    return found


def naive(trait: Trait, touchpoints: list[Touchpoint], now: int) -> Any:
    """The value of a trait at an instant, as exact JSON."""
    events = sorted((t.timestamp, t.message_id, t) for t in touchpoints if t.event == trait.event)
    if trait.where is not None:
        events = [one for one in events if fast.loads(one[2].properties)["w"] == 1]
    if trait.kind == "days_since":
        return (now - events[-1][0]) // DAY if events else None
    if trait.within is not None:
        events = [one for one in events if one[0] > now - trait.within]
    if trait.kind == "count":
        return len(events)
    values = [exact.properties(t.properties)["v"] for _, _, t in events]
    if trait.kind in ("first", "last"):
        there = [value for value in values if value is not None]
        return None if not there else there[0 if trait.kind == "first" else -1]
    if trait.kind in ("sum", "average", "min", "max"):
        return _number(trait.kind, [u for value in values if (u := _units(value)) is not None])
    return _collection(trait.kind, [text for value in values if (text := _text(value)) is not None])


def _units(value: Any) -> int | None:
    if value == "3":
        value = 3
    if type(value) in (str, bool, list, dict) or value is None or abs(value) >= 10**18:
        return None
    return int(Fraction(value) * 10**9)


def _number(kind: str, units: list[int]) -> Any:
    if kind == "sum":
        return Fraction(sum(units), 10**9)
    if not units:
        return None
    if kind == "average":
        return Fraction(int(Fraction(sum(units), len(units))), 10**9)
    return Fraction(min(units) if kind == "min" else max(units), 10**9)


def _text(value: Any) -> str | None:
    if type(value) in (str, bool):
        text = fast.dumps(value).decode()
        return text if len(text.encode()) <= 256 else None
    units = _units(value)
    return (
        None
        if units is None
        else fast.dumps(exact.value(f"{units // 10**9}" if units % 10**9 == 0 else _plain(units))).decode()
    )


def _plain(units: int) -> str:
    sign, whole, rest = "-" if units < 0 else "", *divmod(abs(units), 10**9)
    return f"{sign}{whole}.{rest:09d}".rstrip("0")


def _collection(kind: str, texts: list[str]) -> Any:
    if kind == "distinct":
        return len(set(texts))
    if not texts:
        return None
    if kind == "unique":
        return [exact.value(text) for text in dict.fromkeys(texts)]
    counts = Counter(texts)
    return exact.value(min(counts, key=lambda text: (-counts[text], text.encode())))


def audiences(touchpoints: list[Touchpoint], now: int) -> set[str]:
    """The audiences of a person at an instant, worked out naively."""
    if not touchpoints:
        return set()
    value = {trait.name: naive(trait, touchpoints, now) for trait in EVERY.traits}
    done = {event: [t for t in touchpoints if t.event == event] for event in "AB"}
    last = {event: max(((t.timestamp, t.message_id) for t in some), default=None) for event, some in done.items()}
    left = last["A"] is not None and last["A"][0] + MINUTE <= now and not (last["B"] and last["B"] >= last["A"])
    quiet = not any(t.timestamp > now - 3 * MINUTE for t in done["B"])
    days = value["all_days_since"]
    holds = {
        "lively": sum(t.timestamp > now - 2 * MINUTE for t in done["A"]) >= 2,
        "quiet": quiet,
        "left": left,
        "spent": value["sum_5m"] > 3,
        "fond": value["most_frequent_5m"] == "cd",
        "wide": value["distinct_5m"] >= 2 and not left,
        "lost": days is not None and (days >= 2 or days == 1),
        "both": left and quiet,
        "ever": value["all_count"] >= 2,
    }
    return {name for name, one in holds.items() if one}


def sample(texts: set[str], most: int = 100) -> set[str]:
    """The values that a tally keeps of these."""
    return set(sorted(texts, key=lambda text: md5(text.encode(), usedforsecurity=False).digest())[:most])
