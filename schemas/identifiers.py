"""Identifiers and profile ids, as text on the wire.

An identifier is written "type:value" ("email:ann@example.com"); the type never contains a colon. A profile id
is a function of the workspace and of the one identifier that names the profile, so every system can compute it.
"""

from functools import lru_cache
from hashlib import blake2b


def identifier(kind: str, value: str) -> str:
    """The text form of an identifier of type `kind`."""
    return f"{kind}:{value}"


def split(text: str) -> tuple[str, str]:
    """(type, value) of an identifier's text form."""
    kind, _, value = text.partition(":")
    return kind, value


@lru_cache(maxsize=65_536)
def profile_id(workspace: str, identifier: str) -> str:
    """The id of the profile named by this identifier: "p" and 128 bits of BLAKE2b in hexadecimal, 33 characters.

    It is also the key of the identifier's own records, because it is unique per workspace and identifier.
    """
    return "p" + blake2b(f"{workspace}\0{identifier}".encode(), digest_size=16).hexdigest()


ACCOUNT = "account"  # the type under which accounts have their ids; no identifier of a person may have it


def account_id(workspace: str, group: str) -> str:
    """The id of the profile of an account, by its group id."""
    return profile_id(workspace, identifier(ACCOUNT, group))
