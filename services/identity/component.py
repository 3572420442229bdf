"""A component at work: links come in one by one, and the people stay what `people` would make of all of them.

What makes a link cheap, wherever in time it belongs:

- **A link that holds in the people as they stand holds, and changes nothing else.** Take all links in their order, the
  new one among them: every cluster on the way contains the one there was without the new link, and is contained in one
  of today's (the two ends' united). So whatever was joined is within its limits again, and whatever was refused
  exceeds them again: between two of today's clusters, or, were it between the two that unite, their union would.
- **A link that does not hold, newer than all others, is refused**: all others are decided before it.

Only an older link that does not hold today may have held at its time; then, and when a contested identifier is about,
the people of the component are taken anew.
"""

from collections.abc import Callable

from services.identifiers import IdentityRules
from services.identity.people import Limits, Pair, kind, people
from services.identity.records import Cluster, Component, Link, Member

Note = Callable[[Component, str, str], None]  # (component, identifier, the first of its cluster until now)


def single(identifier: str, received_at: int, version: int = 0) -> Component:
    """The component of an identifier that no link touches. It has no key and is not kept as such."""
    return Component(
        "",
        {identifier: Member(received_at, version, 0)},
        {0: Cluster(identifier, [identifier], {kind(identifier): 1})},
        {},
    )


def unite(into: Component, other: Component) -> None:
    """Put everything of the other component into this one; the people stay as they are."""
    offset = into.serial
    for number, cluster in other.clusters.items():
        into.clusters[number + offset] = cluster
    for identifier, member in other.members.items():
        member.cluster += offset
        into.members[identifier] = member
    into.links |= other.links
    into.newest = max(into.newest, other.newest)
    into.serial += other.serial
    into.contested += other.contested


class Decider:
    """Decides links by the rules. `note` is told the old first identifier of everyone whose person may have changed."""

    def __init__(self, rules: IdentityRules):
        self._rules = rules
        self._limits = Limits(rules)

    def add(self, component: Component, ends: Pair, link: Link, note: Note) -> bool:
        """A new link between two members. False when the component's people must be taken anew."""
        key = (link.at, *ends)
        newer = key > component.newest
        component.links[ends] = link
        if newer:
            component.newest = key
        if component.contested:
            return False
        one, other = component.members[ends[0]].cluster, component.members[ends[1]].cluster
        if one == other:
            return True
        if not self._limits.refuse(component.clusters[one].counts, component.clusters[other].counts):
            self._join(component, one, other, note)
            return True
        link.refused = True
        return newer and not self._limits.to_nobody(ends)

    def receive(self, component: Component, identifier: str, received_at: int, note: Note) -> None:
        """The identifier was received earlier than we knew; it may name its profile now."""
        member = component.members[identifier]
        member.received_at = received_at
        cluster = component.clusters[member.cluster]
        if cluster.first != identifier and self._age(component, identifier) < self._age(component, cluster.first):
            self._rename(component, cluster, identifier, note)

    def recompute(self, component: Component, note: Note) -> None:
        """Take the people of the component anew from all its links."""
        for identifier, member in component.members.items():
            note(component, identifier, component.clusters[member.cluster].first)
        links = component.links
        received = {identifier: member.received_at for identifier, member in component.members.items()}
        found = people(received, {ends: link.at for ends, link in links.items()}, self._rules)
        component.clusters = {}
        for number, members in enumerate(found.clusters):
            component.clusters[number] = Cluster(members[0], members, _counts(members))
            for identifier in members:
                component.members[identifier].cluster = number
        for ends, link in links.items():
            link.refused = ends in found.refused
        component.serial = len(found.clusters)
        component.contested = len(found.contested)

    def _age(self, component: Component, identifier: str) -> tuple[int, int, str]:
        return (component.members[identifier].received_at, *self._rules.rank(identifier))

    def _rename(self, component: Component, cluster: Cluster, first: str, note: Note) -> None:
        for identifier in cluster.members:
            note(component, identifier, cluster.first)
        cluster.first = first

    def _join(self, component: Component, one: int, other: int, note: Note) -> None:
        """Two clusters become one, the smaller moving into the larger."""
        clusters = component.clusters
        if len(clusters[one].members) < len(clusters[other].members):
            one, other = other, one
        large, small = clusters[one], clusters.pop(other)
        if self._age(component, small.first) < self._age(component, large.first):
            self._rename(component, large, small.first, note)
        else:
            self._rename(component, small, large.first, note)
        for identifier in small.members:
            component.members[identifier].cluster = one
        large.members += small.members
        for name, n in small.counts.items():
            large.counts[name] = large.counts.get(name, 0) + n


def _counts(members: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for identifier in members:
        name = kind(identifier)
        found[name] = found.get(name, 0) + 1
    return found
