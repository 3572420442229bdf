"""Random touchpoints of many people, in rounds: within a round nobody does two things, so both engines see everybody's
touchpoints in the same order however their partitions interleave. Everything comes from one seed."""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from schemas import fast
from schemas.fast import Touchpoint
from services.identifiers import IdentityRules

CONFIG = {
    "identity.yaml": """
types:
  user_id: {priority: 1, limit: 1}
  email: {priority: 2, limit: 2, normalise: email}
  anonymous_id: {priority: 100, limit: 4}
""",
    "traits.yaml": """
traits:
  - {name: orders, event: Order Completed, count: true}
  - {name: spent, event: Order Completed, sum: total}
  - {name: first_total, event: Order Completed, first: total}
  - {name: last_total, event: Order Completed, last: total}
  - {name: often, event: Order Completed, most_frequent: total}
  - {name: lately, event: Order Completed, sum: total, within: 1m}
  - {name: bought, event: Order Completed, sum: total, of: account}
""",
    "audiences.yaml": """
audiences:
  - {name: buyers, who: {trait: orders, gte: 2}}
  - {name: locals, who: {trait: city, is: 上海}}
  - {name: lively, who: {event: Order Completed, within: 1m}}
  - {name: poor, who: {not: {trait: lately, gt: 5}}}
  - {name: left, who: {did: page, then_not: identify, within: 1m}}
""",
    "sources.yaml": """
sources:
  - {name: web, channel: web, write_key: key-web}
""",
    "rules/each_order.yaml": """
name: each_order
when: {event: Order Completed}
if: {trait: orders, gte: 2}
then: [{message: {data: {what: order}}}]
""",
    "rules/new_buyer.yaml": """
name: new_buyer
when: {enters: buyers}
wait: 2s
then: [{message: {data: {what: buyer}}}]
""",
    "rules/gone.yaml": """
name: gone
when: {enters: left}
then: [{message: {data: {what: left}}}]
""",
}
"""A configuration folder: limits that bite, the shortest times there are, rules whose actions are messages."""


class Planned(NamedTuple):
    """A touchpoint to be, without its stamps: `ago` is how late it comes (ms), `again` one that came before."""

    message_id: str
    names: tuple[str, ...]
    type: str
    event: str
    total: float
    city: str
    group: str
    ago: int


def planned(seed: int, people: int, rounds: int, rules: IdentityRules) -> list[list[Planned]]:
    """Rounds of one touchpoint for each of `people` groups of people who share identifiers."""
    r = random.Random(seed)
    pools = [_pool(r, n) for n in range(people)]
    sent: list[list[Planned]] = [[] for _ in pools]
    found = []
    for number in range(rounds):
        found.append([_next(r, f"{number}-{n}", pool, sent[n], rules) for n, pool in enumerate(pools)])
    return found


def _pool(r: random.Random, n: int) -> list[str]:
    """The identifiers of a household: some are shared, and more belong together than the limits allow."""
    users = [f"user_id:u{n}-{i}" for i in range(r.choice([1, 2, 2, 3]))]
    emails = [f"email:e{n}-{i}@example.com" for i in range(r.choice([1, 2, 4]))]
    return users + emails + [f"anonymous_id:a{n}-{i}" for i in range(r.choice([2, 4, 7]))]


def _next(r: random.Random, name: str, pool: list[str], sent: list[Planned], rules: IdentityRules) -> Planned:
    if sent and r.random() < 0.1:
        again = r.choice(sent)
        if r.random() < 0.5:  # a duplicate under another anchor
            return again._replace(names=_names(r, pool, rules))
        return again
    one = Planned(
        f"m{name}", _names(r, pool, rules), r.choice(["track", "track", "track", "identify", "page", "group"]),
        "Order Completed", r.choice([0.1, 0.2, 12.34, 5]), r.choice(["", "", "Ulm", "上海"]),
        r.choice(["", "", "", "acme", "globex"]), r.choice([0, 0, 0, 40_000, 52_000, 58_000, 60_000, 40 * 86_400_000]),
    )  # fmt: skip
    sent.append(one)
    return one


def _names(r: random.Random, pool: list[str], rules: IdentityRules) -> tuple[str, ...]:
    return tuple(sorted(set(r.choices(pool, k=r.choice([1, 1, 2, 2, 3]))), key=rules.rank))


def stamped(some: list[Planned], now: int) -> Iterator[Touchpoint]:
    """The touchpoints of a round, as a collector stamps them at `now` (epoch ms)."""
    for n, one in enumerate(some):
        at = now - one.ago
        properties: dict[str, Any] = {"total": one.total} if one.type == "track" else {}
        yield Touchpoint(
            workspace="main", source="web", channel="web", message_id=one.message_id, anchor=one.names[0],
            type=one.type, event=one.event if one.type == "track" else "", identifiers=one.names,  # type: ignore[arg-type]
            timestamp=at, received_at=now + n % 7, evidence_at=at, context=fast.EMPTY,
            properties=fast.raw(properties), traits=fast.raw({"city": one.city} if one.city else {}),
            group_id=one.group,
        )  # fmt: skip


def lines(touchpoints: list[Touchpoint]) -> list[bytes]:
    """As they stand in the log."""
    return [fast.dumps(one) for one in touchpoints]


def read(line: bytes) -> Touchpoint:
    """One of them again."""
    return msgspec.json.decode(line, type=Touchpoint)
