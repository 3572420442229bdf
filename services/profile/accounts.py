"""The accounts stage: one writer per account. What people do as members of a company becomes the company's profile.

A person belongs to the accounts of their group calls, and of other calls that name one in `context.groupId`. The fold
hands each such touchpoint on with its number among those of its anchor. An account's cell is made of touchpoints that
many anchors contribute, so it is not joined anew each time: the touchpoint is added to it, once, because of each anchor
the last number is remembered. A merge of people changes nothing of an account.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from schemas.fast import EMPTY, Contribution, Profile
from schemas.identifiers import ACCOUNT, account_id, identifier, profile_id
from services.processor import GENERATION, Emit, Frame, Outcome
from services.profile.add import add
from services.profile.cell import Cell
from services.profile.definitions import Definitions
from services.profile.view import View


class Account(msgspec.Struct, tag="account", gc=False):
    """An account. `count` is how many touchpoints were added, the version of its document: so the same document has the
    same version however frames are cut. `judged` is the fingerprint of the definitions that it was made by."""

    workspace: str
    group: str
    count: int = 0
    judged: str = ""
    cell: Cell = msgspec.field(default_factory=Cell)


class Contributor(msgspec.Struct, tag="contributor", gc=False):
    """An anchor that contributed to an account: the number of its last touchpoint."""

    n: int = 0


class Accounts:
    """The processor. `generation` grows with every rebuild, and the versions of accounts with it."""

    name = "accounts"
    inputs = ("contributions",)
    record: Any = Account | Contributor

    def __init__(self, definitions: Definitions, generation: int = 0):
        self._definitions, self._generation = definitions.accounts, generation

    def wants(self, frame: Frame, have: Mapping[str, Any]) -> Iterable[str]:
        """The accounts, and what they have of each anchor."""
        return [key for message in frame.messages for key in _keys(message)]

    def decide(self, frame: Frame, records: Mapping[str, Any]) -> Outcome:
        """One document per account that changed."""
        changes: dict[str, msgspec.Struct | None] = {}
        changed: dict[str, Account] = {}
        for message in frame.messages:
            key, place = _keys(message)
            contributor: Any = changes.get(place) or records[place] or Contributor()
            if message.n <= contributor.n:
                continue
            contributor.n = message.n
            account: Any = changes.get(key) or records[key] or Account(message.workspace, message.account)
            account.cell = add(account.cell, message.touchpoint, self._definitions, teller="group")
            account.count, account.judged = account.count + 1, self._definitions.fingerprint
            changes[place], changes[key] = contributor, account
            changed[key] = account
        emits = [
            Emit("accounts", key, document(account, self._definitions, self._generation))
            for key, account in changed.items()
        ]
        return Outcome(changes, emits, [])


def document(account: Account, definitions: Definitions, generation: int) -> Profile:
    """The account's profile; `definitions` are those of accounts."""
    cell = account.cell
    traits, computed, _, _ = View(cell, definitions, 0).texts
    return Profile(
        workspace=account.workspace,
        profile_id=account_id(account.workspace, account.group),
        kind="account",
        version=generation * GENERATION + account.count,
        identifiers=(identifier(ACCOUNT, account.group),),
        traits=traits,
        computed=computed,
        consent=EMPTY,
        touchpoints=cell.touchpoints,
        first_seen=cell.first_seen,
        last_seen=cell.last_seen,
    )


def _keys(message: Contribution) -> tuple[str, str]:
    """The keys of the account and of what it has of the anchor."""
    key = account_id(message.workspace, message.account)
    return key, f"{key}@{profile_id(message.workspace, message.anchor)}"
