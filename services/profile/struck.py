"""The cause of what time does to a person: a touchpoint of our own, named after the one whose time it is.

Its message id is the other one's, "@" and the instant. Merges, cuts and edits change neither, so a follow-up of it has
one send key, whoever the touchpoint belongs to by then and however often the instant is worked out.
"""

from hashlib import blake2b

from schemas.fast import EMPTY, Touchpoint
from services.profile.person import Person
from services.profile.turning import Turn, is_in

_LONGEST = 256  # characters of a message id, as in schemas.wire.MessageId


def cause_of(turn: Turn) -> str:
    """The message id."""
    found = f"{turn.message_id}@{turn.due}"
    return (
        found
        if len(found) <= _LONGEST
        else f"{blake2b(turn.message_id.encode(), digest_size=16).hexdigest()}@{turn.due}"
    )


def struck(person: Person, turn: Turn, restored: bool) -> Touchpoint:
    """The touchpoint, under an anchor of the person that the other one is under. `restored` when it is no news."""
    cells = [(anchor, held.cell) for anchor, held in sorted(person.anchors.items()) if held.cell is not None]
    anchor = next(anchor for anchor, cell in cells if is_in(turn, cell))
    return Touchpoint(
        workspace=person.workspace,
        source="rapport",
        channel="server",
        type="track",
        message_id=cause_of(turn),
        anchor=anchor,
        identifiers=(anchor,),
        timestamp=turn.due,
        received_at=turn.due,
        evidence_at=turn.due,
        trust="server",
        restored=restored,
        properties=EMPTY,
        traits=EMPTY,
        context=EMPTY,
    )
