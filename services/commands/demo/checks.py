"""What the demo holds to be true at its end: each a name, what it must be, and what it was found to be."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from services.commands.demo.cdnow import Totals
from services.commands.demo.channels import SENT
from services.commands.demo.followups import FollowUp
from services.commands.demo.person import Person
from services.commands.demo.story import CONTACT, CUSTOMER, EMAIL, PHONE, VISITOR

TOUCHPOINTS = 6 + SENT  # of the story: four visits, the log-in, the order; and by webhooks. Each is sent twice
AUDIENCE = "browsed_then_bought"  # config/audiences.yaml: three product views and an order


class Check(NamedTuple):
    """One thing that must be so."""

    name: str
    expected: Any
    found: Any

    @property
    def right(self) -> bool:
        return bool(self.expected == self.found)


def of_totals(expected: Totals, found: Totals, where: str) -> list[Check]:
    """Each figure of CDNOW, as `where` has it; revenue to the cent."""
    figures = zip(Totals._fields, expected, found, strict=True)
    return [Check(f"{where}: {name}", want, have) for name, want, have in figures]


def of_person(person: Person) -> list[Check]:
    """The story's person: the anonymous past joined, nothing counted twice, the audience entered."""
    known = {
        "anonymous_id": VISITOR,
        "user_id": CUSTOMER,
        "email": EMAIL,
        "phone": PHONE,
        "wecom_external_userid": CONTACT,
    }
    wanted = {f"{kind}:{value}" for kind, value in known.items()}
    return [
        Check("Mei: her identifiers are one person", wanted, set(person.identifiers)),
        Check("Mei: touchpoints, though each was sent twice", TOUCHPOINTS, person.touchpoints),
        Check(f"Mei: in the audience {AUDIENCE}", True, AUDIENCE in person.audiences),
    ]


def of_followups(followups: Iterable[FollowUp]) -> list[Check]:
    """Each rule reached whom it must have reached, and nobody twice."""
    return [
        check
        for one in followups
        for check in (
            Check(f"{one.rule}: received", one.expected, one.received),
            Check(f"{one.rule}: received twice", 0, one.twice),
        )
    ]


def shown(value: Any) -> str:
    """A figure for people: thousands apart, dollars with cents, sets in order."""
    if isinstance(value, Decimal):
        return f"${value:,.2f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return ", ".join(sorted(value)) if isinstance(value, set) else str(value)
