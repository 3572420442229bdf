"""What the identity stage keeps, and under which keys.

| record      | key                                | one per                                              |
|-------------|------------------------------------|------------------------------------------------------|
| `Known`     | profile_id(workspace, identifier)  | identifier                                           |
| `Component` | "c" + the key of one of its members| set of identifiers that links hang together          |
| `Aliases`   | profile_id(workspace, "=" + value) | value that an alias call gave as its previousId      |

A profile id is made from an identifier, so whoever looks up any identifier, or any profile id that ever was, gets a
`Known` whose `owner` is the profile it belongs to now: redirects are this function and never a chain.
"""

from msgspec import Struct

from schemas.identifiers import profile_id
from services.identity.people import Pair

NEVER = 253_402_300_800_000  # the received_at of an identifier that no touchpoint has named (yet): after every stamp


class Known(Struct, tag="known"):
    """One identifier. `owner` is the profile id it belongs to, `version` how often that changed; `component` is the
    key of the component that decides it, empty while no link touches it; `received_at` its earliest (epoch ms)."""

    identifier: str
    received_at: int
    owner: str
    version: int = 0
    component: str = ""


class Link(Struct, array_like=True):
    """Evidence that two identifiers are one person's: the earliest evidence_at, and the touchpoint (message id) and
    source that gave it. `people` says which rule refused a link that is refused."""

    at: int
    touchpoint: str
    source: str
    refused: bool = False


class Member(Struct, array_like=True):
    """An identifier within its component: its earliest received_at, its owner's version, its cluster's number."""

    received_at: int
    version: int
    cluster: int


class Cluster(Struct, array_like=True):
    """One person: the identifier received first (which names the profile), all identifiers, and how many per type."""

    first: str
    members: list[str]
    counts: dict[str, int]


class Component(Struct, tag="component"):
    """Everything that is needed to decide the people of one set of linked identifiers.

    It may hold more than what links connect, never less. `newest` is not before any link's (at, *pair); `serial` is
    the next cluster's number; `contested` counts the identifiers left to nobody.
    """

    key: str
    members: dict[str, Member]
    clusters: dict[int, Cluster]
    links: dict[Pair, Link]
    newest: tuple[int, str, str] = (-1, "", "")
    serial: int = 1
    contested: int = 0


class Aliases(Struct, tag="aliases"):
    """Who asked to be linked with this value: (anchor, previousId as it came) → what the link will be made of."""

    asked: dict[tuple[str, str], Link]


Record = Known | Component | Aliases


def component_key(workspace: str, identifier: str) -> str:
    """The key of the component that begins with this identifier."""
    return "c" + profile_id(workspace, identifier)


def value_key(workspace: str, value: str) -> str:
    """The key of a value's `Aliases`; no identifier begins with "=", so it is nobody's profile id."""
    return profile_id(workspace, "=" + value)
