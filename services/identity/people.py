"""Who is one person: a pure function of links, first-received stamps and rules (identity.md).

This is the definition. `component.py` reaches the same people link by link in the usual case, and a test holds the
two equal. The order in which evidence arrived is not an input.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.identifiers import IdentityRules

Pair = tuple[str, str]  # two identifiers, the lesser text first


def pair(one: str, other: str) -> Pair:
    """The canonical pair of two identifiers."""
    return (one, other) if one < other else (other, one)


def kind(identifier: str) -> str:
    """The type of an identifier."""
    return identifier.partition(":")[0]


class People(NamedTuple):
    """`clusters` are the people, each a list of identifiers whose first one names the profile; `refused` says for
    each link that does not hold which rule refused it; `contested` are the identifiers left to nobody."""

    clusters: list[list[str]]
    refused: dict[Pair, str]
    contested: frozenset[str]


class Limits:
    """What the rules say about joining, ready to be asked often."""

    def __init__(self, rules: IdentityRules):
        self._rules = rules
        self._limit = {name: rule.limit for name, rule in rules.types.items()}
        self._to_nobody = frozenset(n for n, rule in rules.types.items() if rule.on_conflict == "nobody")

    def refuse(self, one: Mapping[str, int], other: Mapping[str, int]) -> str:
        """The rule that keeps two clusters apart, given how many values of each type they have; "" when none does.

        When several limits would be exceeded, the strongest type's is named. A type without a rule has limit 0.
        """
        limit = self._limit
        over = [name for name, n in one.items() if n + other.get(name, 0) > limit.get(name, 0)]
        over += [name for name, n in other.items() if name not in one and n > limit.get(name, 0)]
        if not over:
            return ""
        strongest = min(over, key=self._rules.rank)
        return f"{strongest} limit {limit.get(strongest, 0)}"

    def to_nobody(self, ends: Iterable[str]) -> list[str]:
        """Those of the ends of a refused link that belong to nobody once contested."""
        return [end for end in ends if kind(end) in self._to_nobody]


def people(received: Mapping[str, int], links: Mapping[Pair, int], rules: IdentityRules) -> People:
    """The people of a set of links. `received`: identifier → earliest received_at; `links`: pair → earliest
    evidence_at; every end of a link is in `received`.

    Links are taken by (evidence_at, pair). Each joins the clusters of its ends unless the union would exceed a limit.
    Identifiers of a type with `on_conflict: nobody` that a limit's refusal touches are contested: their links hold no
    longer, and the people are taken again without them, until nothing more is contested (the set only grows).
    """
    limits = Limits(rules)
    order = [p for p, _ in sorted(links.items(), key=lambda item: (item[1], item[0]))]
    contested: frozenset[str] = frozenset()
    left: dict[Pair, str] = {}  # links that a contested end left, with the limit that began it where there was one
    while True:
        clusters, refused = _join(received, order, contested, limits)
        more = contested.union(end for p in refused for end in limits.to_nobody(p))
        left |= {p: rule for p, rule in refused.items() if limits.to_nobody(p)}
        if more == contested:
            break
        contested = more
    lone = {p: left.get(p, _conflict(p, contested)) for p in order if not contested.isdisjoint(p)}
    named = [sorted(cluster, key=lambda i: (received[i], *rules.rank(i))) for cluster in clusters]
    return People(named, lone | refused, contested)


def _conflict(ends: Pair, contested: frozenset[str]) -> str:
    return f"{kind(next(end for end in ends if end in contested))} on_conflict nobody"


def _join(
    received: Mapping[str, int], order: list[Pair], contested: frozenset[str], limits: Limits
) -> tuple[list[list[str]], dict[Pair, str]]:
    """One pass over the links in their order: the clusters, and the links refused by a limit."""
    members = {i: [i] for i in received}
    counts = {i: {kind(i): 1} for i in received}
    cluster = {i: i for i in received}
    refused: dict[Pair, str] = {}
    for ends in order:
        one, other = cluster[ends[0]], cluster[ends[1]]
        if one == other or not contested.isdisjoint(ends):
            continue
        if rule := limits.refuse(counts[one], counts[other]):
            refused[ends] = rule
            continue
        if len(members[one]) < len(members[other]):
            one, other = other, one
        for name, n in counts.pop(other).items():
            counts[one][name] = counts[one].get(name, 0) + n
        for moved in members[other]:
            cluster[moved] = one
        members[one] += members.pop(other)
    return list(members.values()), refused
