"""One piece of evidence at work: what it makes known, which links it gives, and whose identifiers are whose after it.

**Aliases.** An alias call names a value (previousId) without saying what it is. It links its anchor with every
identifier of that value that any touchpoint has named, whichever came first, alias or touchpoint; and while there is
none, with the anonymous_id of that value. So the links, like everything here, depend on the set of evidence only: an
identifier that becomes known later is linked then, and the anonymous_id that stood in for it is let go, unless a
touchpoint has named that, too. The value is compared as each type would write it ("Ann@X.com" finds the e-mail
address ann@x.com and the user_id Ann@X.com).
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from schemas.fast import Evidence
from schemas.identifiers import profile_id, split
from services.identifiers import IdentityRules
from services.identity.component import Decider, single, unite
from services.identity.people import pair
from services.identity.records import NEVER, Aliases, Component, Known, Link, component_key, value_key


class View:
    """The records of a frame with the changes made so far."""

    def __init__(self, records: Mapping[str, Any]):
        self._records = records
        self.changes: dict[str, Struct | None] = {}

    def get(self, key: str) -> Any:
        """The record as it is now; None when there is none. A key that `wants` did not name is a KeyError: a bug."""
        return self.changes[key] if key in self.changes else self._records[key]


class Change(Struct):
    """An identifier whose owner is another: the identifiers that named the profile before and now."""

    identifier: str
    before: str
    now: str
    version: int
    fresh: bool  # no touchpoint had named it before this evidence


def previous_identifiers(rules: IdentityRules, value: str) -> list[str]:
    """Every identifier that a previousId may stand for."""
    return [found for name in rules.types if (found := rules.clean(name, value))]


def stand_in(rules: IdentityRules, value: str) -> str | None:
    """The identifier that a previousId stands for while no touchpoint has named one of that value."""
    return rules.clean("anonymous_id", value)


class Turn:
    """Applies one piece of evidence to the records in view. Use once: `apply`, then read `anchor`."""

    def __init__(self, rules: IdentityRules, decider: Decider, evidence: Evidence, view: View):
        self._rules, self._decider, self._evidence, self._view = rules, decider, evidence, view
        self._open: dict[str, Component] = {}  # identifier → its component, for every one we came across
        self._before: dict[str, str] = {}  # identifier → who named its profile, where that may have changed
        self._rewrite: set[str] = set()  # identifiers whose `Known` is to be written again
        self._dirty: dict[int, Component] = {}
        self._stale: dict[int, Component] = {}
        self._fresh: list[str] = []

    def apply(self) -> list[Change]:
        """Everything that changed owner, by identifier. The view has the new records."""
        e = self._evidence
        self._fresh = [identifier for identifier in e.identifiers if self._receive(identifier)]
        for other in sorted(e.identifiers, key=lambda i: pair(e.anchor, i)) if len(e.identifiers) > 1 else ():
            self._link(e.anchor, other, Link(e.evidence_at, e.message_id, e.source))
        for identifier in self._fresh:
            self._answer_aliases(identifier)
        if e.previous:
            self._alias(e.previous)
        return self._settle()

    def owner(self, identifier: str) -> tuple[str, int]:
        """(the identifier that names the owner, version) of an identifier of this evidence."""
        component = self._component(identifier)
        member = component.members[identifier]
        return component.clusters[member.cluster].first, member.version

    def _component(self, identifier: str) -> Component:
        found: Component | None = self._open.get(identifier)
        if found is None:
            known: Known | None = self._view.get(profile_id(self._evidence.workspace, identifier))
            if known is None:
                found = single(identifier, NEVER)
            elif known.component:
                found = self._view.get(known.component)
            else:
                found = single(identifier, known.received_at, known.version)
            self._open[identifier] = found
        return found

    def _known(self, identifier: str) -> bool:
        return self._component(identifier).members[identifier].received_at < NEVER

    def _note(self, component: Component, identifier: str, first: str) -> None:
        self._before.setdefault(identifier, first)
        self._open[identifier] = component

    def _receive(self, identifier: str) -> bool:
        """The evidence's stamp for one identifier; whether it is the first ever."""
        component = self._component(identifier)
        was = component.members[identifier].received_at
        if self._evidence.received_at >= was:
            return False
        self._decider.receive(component, identifier, self._evidence.received_at, self._note)
        self._dirty[id(component)] = component
        self._rewrite.add(identifier)
        return was == NEVER

    def _link(self, anchor: str, other: str, link: Link) -> None:
        """A link as evidence gives it: new, earlier than it was, or nothing."""
        if anchor == other:
            return
        component = self._together(anchor, other)
        ends = pair(anchor, other)
        had = component.links.get(ends)
        if had is None:
            self._dirty[id(component)] = component
            if not self._decider.add(component, ends, link, self._note):
                self._stale[id(component)] = component
        elif (link.at, link.touchpoint) < (had.at, had.touchpoint):
            self._dirty[id(component)] = component
            if link.at < had.at and (had.refused or component.contested):
                self._stale[id(component)] = component
            had.at, had.touchpoint, had.source = link.at, link.touchpoint, link.source

    def _together(self, anchor: str, other: str) -> Component:
        """The component of both, the smaller one put into the larger if they have been two."""
        into, away = self._component(anchor), self._component(other)
        if into is away:
            return into
        if (len(into.members), into.key) < (len(away.members), away.key):
            into, away = away, into
        if not into.key:
            into.key = component_key(self._evidence.workspace, anchor)
            self._rewrite.update(into.members)
        for identifier in away.members:
            self._open[identifier] = into
        self._rewrite.update(away.members)
        unite(into, away)
        if away.key:
            self._view.changes[away.key] = None
        self._dirty.pop(id(away), None)
        if self._stale.pop(id(away), None):
            self._stale[id(into)] = into
        return into

    def _alias(self, previous: str) -> None:
        """Remember who asked for this value, and link the anchor with whatever it stands for by now."""
        e, value = self._evidence, previous.strip()
        may_be = previous_identifiers(self._rules, value)
        for written in {split(identifier)[1]: None for identifier in may_be}:
            key = value_key(e.workspace, written)
            aliases = self._view.get(key) or Aliases({})
            had = aliases.asked.get((e.anchor, value))
            if had is None or (e.evidence_at, e.message_id) < (had.at, had.touchpoint):
                aliases.asked[e.anchor, value] = Link(e.evidence_at, e.message_id, e.source)
                self._view.changes[key] = aliases
        standing = stand_in(self._rules, value)
        for identifier in [i for i in may_be if self._known(i)] or ([standing] if standing else []):
            self._link(e.anchor, identifier, Link(e.evidence_at, e.message_id, e.source))

    def _answer_aliases(self, identifier: str) -> None:
        """This identifier has just become known: link it with the anchors that had asked for its value."""
        name, written = split(identifier)
        aliases: Aliases | None = self._view.get(value_key(self._evidence.workspace, written))
        for (anchor, value), asked in sorted(aliases.asked.items()) if aliases else ():
            if self._rules.clean(name, value) != identifier:
                continue
            standing = stand_in(self._rules, value)
            if standing and not self._known(standing):
                self._let_go(standing)
            self._link(anchor, identifier, Link(asked.at, asked.touchpoint, asked.source))

    def _let_go(self, standing: str) -> None:
        """A stand-in that no touchpoint has named leaves its component, with its links."""
        component = self._component(standing)
        if len(component.members) == 1:
            return
        member = component.members.pop(standing)
        self._note(component, standing, component.clusters[member.cluster].first)
        for ends in [ends for ends in component.links if standing in ends]:
            del component.links[ends]
        self._decider.recompute(component, self._note)
        self._open[standing] = single(standing, NEVER, member.version)
        self._rewrite.add(standing)
        if len(component.members) == 1:  # a component no more
            self._rewrite.update(component.members)
        self._dirty[id(component)] = component

    def _settle(self) -> list[Change]:
        """Take stale components anew, count the owners that changed, and put all records into the view."""
        for component in self._stale.values():
            self._decider.recompute(component, self._note)
        changes = []
        for identifier, before in sorted(self._before.items()):
            now, _ = self.owner(identifier)
            if now != before:
                member = self._open[identifier].members[identifier]
                member.version += 1
                fresh = identifier in self._fresh or member.received_at == NEVER
                changes.append(Change(identifier, before, now, member.version, fresh))
                self._rewrite.add(identifier)
        self._write()
        return changes

    def _write(self) -> None:
        workspace, changes = self._evidence.workspace, self._view.changes
        for identifier in self._rewrite:
            component = self._open[identifier]
            member = component.members[identifier]
            owner = profile_id(workspace, component.clusters[member.cluster].first)
            key = component.key if len(component.members) > 1 else ""
            record = Known(identifier, member.received_at, owner, member.version, key)
            changes[profile_id(workspace, identifier)] = record
        for component in self._dirty.values():
            if component.key:
                changes[component.key] = component if len(component.members) > 1 else None
