"""What the fold keeps of an anchor (or of an identifier that is no anchor yet), and what it tells its owner."""

from typing import Any

import msgspec

from schemas import fast
from schemas.fast import CellMessage, Membership, Touchpoint
from schemas.identifiers import profile_id
from services.profile.cell import Cell
from services.profile.seen import Page

TOLD = 64  # identifiers whose evidence is remembered; telling one again is harmless
WAITING = 1_000  # touchpoints that wait for identity's answer; beyond it the oldest goes on without

Together = tuple[tuple[str, int], ...]  # anchors, each with a version

_read = msgspec.json.Decoder(Touchpoint).decode


class Waiting(msgspec.Struct, array_like=True, gc=False):
    """A touchpoint that is not folded yet: it, or one before it, waits for identity's answer to its evidence. That
    says which moves the owner must have heard of first (`together`)."""

    message_id: str
    touchpoint: bytes
    answered: bool
    together: Together = ()


class Anchor(msgspec.Struct, tag="anchor", gc=False):
    """One identifier. `n` counts the touchpoints in the cell; `told` are the stamps (evidence_at, received_at) that
    identity knows of it and those seen beside it; `named` is the identifier that names the owner, if told."""

    workspace: str
    identifier: str
    owner: str
    version: int = 0
    n: int = 0
    named: str = ""
    cell: Cell = msgspec.field(default_factory=Cell)
    seen: Page = msgspec.field(default_factory=Page)
    told: dict[str, tuple[int, int]] = {}
    waiting: list[Waiting] = []


def fresh(workspace: str, identifier: str) -> Anchor:
    """An identifier nobody has told anything about: it owns itself, at version 0."""
    return Anchor(workspace, identifier, profile_id(workspace, identifier))


def news(anchor: Anchor, touchpoint: Touchpoint) -> bool:
    """Whether the touchpoint tells identity anything new or earlier; and from now on it is told."""
    stamps, told = (touchpoint.evidence_at, touchpoint.received_at), anchor.told
    names = touchpoint.identifiers if not touchpoint.previous else (*touchpoint.identifiers, "=" + touchpoint.previous)
    found = False
    for name in names:
        before = told.get(name)
        if before is None or stamps[0] < before[0] or stamps[1] < before[1]:
            found = True
            told[name] = stamps if before is None else (min(stamps[0], before[0]), min(stamps[1], before[1]))
            if name != anchor.identifier and profile_id(anchor.workspace, name) == anchor.owner:
                anchor.named = name
    while len(told) > TOLD:
        del told[next(iter(told))]
    return found


def wait(anchor: Anchor, touchpoint: Touchpoint, answered: bool) -> None:
    """Let the touchpoint wait behind those before it."""
    anchor.waiting.append(Waiting(touchpoint.message_id, fast.dumps(touchpoint), answered))


def released(anchor: Anchor, answer: Membership | None = None) -> list[tuple[Touchpoint, Together]]:
    """The touchpoints that may go on now that `answer` has come, oldest first; they wait no longer. Each with the moves
    that its owner must have heard of before."""
    waiting = anchor.waiting
    for one in waiting if answer is not None else ():
        if answer is not None and one.message_id == answer.answers:
            one.answered, one.together = True, _of_owner(anchor, answer, anchor.owner)
            break
    ready = 0
    while ready < len(waiting) and (waiting[ready].answered or len(waiting) - ready > WAITING):
        ready += 1
    anchor.waiting = waiting[ready:]
    return [(_read(one.touchpoint), one.together) for one in waiting[:ready]]


def move(anchor: Anchor, member: Membership) -> list[CellMessage]:
    """The anchor has another owner. It is told to the former one, to the profile that the identifier itself names
    (where it redirects to now), and then to the new owner."""
    former, anchor.owner, anchor.version = anchor.owner, member.owner, member.version
    for one in anchor.waiting:  # what the former owner hears of the new one may never hear of
        one.together = ()
    itself = profile_id(anchor.workspace, anchor.identifier)
    names = (name for name in anchor.told if profile_id(anchor.workspace, name) == anchor.owner)
    anchor.named = next(names, "") if anchor.owner != itself else ""
    gone = [_gone(anchor, owner, member) for owner in dict.fromkeys((former, itself)) if owner != anchor.owner]
    together = _of_owner(anchor, member, anchor.owner)
    return [*gone, snapshot(anchor, cause=member.cause, came=former, at=member.at, together=together)]


def _of_owner(anchor: Anchor, member: Membership, owner: str) -> Together:
    """The moves of a decision that this owner hears of: as the former owner, as the new one, and as the profile that
    the identifier itself names."""
    return tuple(
        (identifier, version)
        for identifier, version, former, now in member.together
        if owner in (former, now) or owner == profile_id(anchor.workspace, identifier)
    )


def snapshot(
    anchor: Anchor, touchpoint: Touchpoint | None = None, cause: str = "", came: str | None = None, at: int = 0,
    together: Together = (),
) -> CellMessage:  # fmt: skip
    """The cell as it is, for its owner. An identifier without a touchpoint has an empty one: it is known by it."""
    cell: Any = anchor.cell
    return CellMessage(
        workspace=anchor.workspace,
        owner=anchor.owner,
        anchor=anchor.identifier,
        version=anchor.version,
        n=anchor.n,
        cell=cell,
        named=anchor.named,
        touchpoint=touchpoint,
        cause=cause,
        came=came,
        at=at,
        together=together,
    )


def _gone(anchor: Anchor, owner: str, member: Membership) -> CellMessage:
    return CellMessage(
        workspace=anchor.workspace,
        owner=owner,
        anchor=anchor.identifier,
        version=anchor.version,
        n=0,
        cell=None,
        cause=member.cause,
        gone=anchor.owner,
        at=member.at,
        together=_of_owner(anchor, member, owner),
    )
