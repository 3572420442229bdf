"""The identity stage: evidence in, membership out. One writer per workspace; identity.md has the semantics.

For each piece of evidence, in the order of the log: one Membership for every identifier whose owner changed (its
version one higher), the IdentityChanges that other systems need, and then exactly one answer, addressed to the
anchor, also when nothing changed. How evidence is cut into frames changes none of it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.fast import Evidence, IdentityChange, Membership
from schemas.identifiers import profile_id, split
from services.identifiers import IdentityRules
from services.identity.component import Decider
from services.identity.records import NEVER, Known, Record, value_key
from services.identity.turn import Change, Turn, View, previous_identifiers, stand_in
from services.processor import GENERATION, Emit, Frame, Outcome

Move = tuple[str, int, str, str]  # identifier, version, former owner, owner
MOST_TOGETHER = 32  # moves of one decision that their owners wait for together; of more each is judged by itself


class Identity:
    """Processor: decides whose every identifier is. `generation` grows with every rebuild, and with it the versions
    of memberships; an identifier that never changed hands is at version 0 in each of them."""

    name = "identity"
    inputs = ("evidence",)
    record = Record

    def __init__(self, rules: IdentityRules, generation: int = 0):
        self._rules, self._first = rules, generation * GENERATION
        self._decider = Decider(rules)

    def wants(self, frame: Frame, have: Mapping[str, Any]) -> Iterable[str]:
        """Every identifier and the component that decides it; for new ones, also who asked for their value."""
        wanted: list[str] = []
        evidence: Evidence
        for evidence in frame.messages:
            workspace = evidence.workspace
            for identifier in evidence.identifiers:
                if _ask_known(workspace, identifier, have, wanted):
                    self._ask_aliases(workspace, identifier, have, wanted)
            if evidence.previous:
                for identifier in previous_identifiers(self._rules, evidence.previous):
                    _ask_known(workspace, identifier, have, wanted)
                    wanted.append(value_key(workspace, split(identifier)[1]))
        return wanted

    def _ask_aliases(self, workspace: str, identifier: str, have: Mapping[str, Any], wanted: list[str]) -> None:
        """Who asked for this identifier's value, and what stood in for it."""
        key = value_key(workspace, split(identifier)[1])
        wanted.append(key)
        aliases = have.get(key)
        for anchor, value in aliases.asked if aliases else ():
            _ask_known(workspace, anchor, have, wanted)
            if standing := stand_in(self._rules, value):
                _ask_known(workspace, standing, have, wanted)

    def decide(self, frame: Frame, records: Mapping[str, Any]) -> Outcome:
        """The whole frame, one piece of evidence after the other."""
        view = View(records)
        emits: list[Emit] = []
        evidence: Evidence
        for evidence in frame.messages:
            turn = Turn(self._rules, self._decider, evidence, view)
            changes = turn.apply()
            moves = tuple(_move(evidence.workspace, change, self._first) for change in changes)
            together = moves if 1 < len(moves) <= MOST_TOGETHER else ()
            emits += [_moved(evidence, move, together) for move in moves]
            if changes:
                emits += _told(evidence, changes)
            owner, version = turn.owner(evidence.anchor)
            alone = [move[0] for move in moves] == [evidence.anchor]
            waits_for = moves if not alone and len(moves) <= MOST_TOGETHER else ()
            emits.append(_answer(evidence, owner, self._first + version if version else 0, waits_for))
        return Outcome(view.changes, emits, [])


def _ask_known(workspace: str, identifier: str, have: Mapping[str, Any], wanted: list[str]) -> bool:
    """Ask for an identifier and its component; whether we know by now that no touchpoint has named it before."""
    key = profile_id(workspace, identifier)
    wanted.append(key)
    if key not in have:
        return False
    known: Known | None = have[key]
    if known is None:
        return True
    if known.component:
        wanted.append(known.component)
    return known.received_at == NEVER


def _move(workspace: str, change: Change, first: int) -> Move:
    before, now = profile_id(workspace, change.before), profile_id(workspace, change.now)
    return change.identifier, first + change.version, before, now


def _moved(evidence: Evidence, move: Move, together: tuple[Move, ...]) -> Emit:
    """The membership of one identifier whose owner is another now."""
    identifier, version, _, owner = move
    message = Membership(
        workspace=evidence.workspace,
        identifier=identifier,
        owner=owner,
        version=version,
        cause=evidence.message_id,
        at=evidence.received_at,
        together=together,
    )
    return Emit("membership", profile_id(evidence.workspace, identifier), message)


def _answer(evidence: Evidence, owner: str, version: int, together: tuple[Move, ...]) -> Emit:
    """What the fold waits for: the anchor's owner after this evidence."""
    workspace = evidence.workspace
    message = Membership(
        workspace=workspace,
        identifier=evidence.anchor,
        owner=profile_id(workspace, owner),
        version=version,
        answers=evidence.message_id,
        at=evidence.received_at,
        together=together,
    )
    return Emit("membership", profile_id(workspace, evidence.anchor), message)


def _told(evidence: Evidence, changes: list[Change]) -> list[Emit]:
    """For other systems: which profile went into which, and which identifiers went along.

    A profile whose naming identifier is another's now has `merged` into that one; the rest that leaves a profile has
    `split` from it. Identifiers that nobody had seen before are no change of anybody's.
    """
    moved: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        if not change.fresh:
            moved.setdefault((change.before, change.now), []).append(change.identifier)
    return [_change(evidence, *names, identifiers) for names, identifiers in sorted(moved.items())]


def _change(evidence: Evidence, before: str, now: str, identifiers: list[str]) -> Emit:
    workspace = evidence.workspace
    message = IdentityChange(
        workspace=workspace,
        profile_id=profile_id(workspace, before),
        kind="merged" if before in identifiers else "split",
        into=profile_id(workspace, now),
        identifiers=tuple(identifiers),
        cause=evidence.message_id,
        at=evidence.received_at,
    )
    return Emit("identity-changes", profile_id(workspace, before), message)
