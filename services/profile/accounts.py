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
from schemas.identifiers import ACCOUNT, account_id, identifier, profile_id, split
from services.processor import GENERATION, Emit, Frame, Outcome
from services.profile.add import add
from services.profile.cell import Cell
from services.profile.definitions import Definitions
from services.profile.fill import JUDGED, TOPIC, Fill, Judged, filled
from services.profile.view import View


class Account(msgspec.Struct, tag="account", gc=False):
    """An account. `count` is how many touchpoints and fills were added, the version of its document: so the same
    document has the same version however frames are cut. `judged` is the fingerprint of the definitions that made it.
    """

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
        if frame.topic == JUDGED:
            return [message.owner for message in frame.messages]
        if frame.topic == TOPIC:
            return [profile_id(message.workspace, message.identifier) for message in frame.messages]
        return [key for message in frame.messages for key in _keys(message)]

    def decide(self, frame: Frame, records: Mapping[str, Any]) -> Outcome:
        """One document per account that changed."""
        turn = _Turn(self._definitions, records)
        take: Any = {JUDGED: turn.judge, TOPIC: turn.fill}.get(frame.topic, turn.add)
        for message in frame.messages:
            take(message)
        emits = [
            Emit("accounts", key, document(account, self._definitions, self._generation))
            for key, account in turn.changed.items()
        ]
        return Outcome(turn.changes, emits, [])


class _Turn:
    """One frame being decided. `changed` are the accounts among the changes."""

    def __init__(self, definitions: Definitions, records: Mapping[str, Any]):
        self._definitions, self._records = definitions, records
        self.changes: dict[str, msgspec.Struct | None] = {}
        self.changed: dict[str, Account] = {}

    def add(self, message: Contribution) -> None:
        """A touchpoint, once."""
        key, place = _keys(message)
        contributor: Any = self.changes.get(place) or self._records[place] or Contributor()
        if message.n > contributor.n:
            contributor.n, self.changes[place] = message.n, contributor
            account = self._account(key, message.workspace, message.account)
            cell = add(account.cell, message.touchpoint, self._definitions, teller="group")
            self._changed(key, account, cell)

    def fill(self, fill: Fill) -> None:
        """Join what the cell lacks. Whoever hands a fill sees to it that it comes once."""
        key = profile_id(fill.workspace, fill.identifier)
        account = self._account(key, fill.workspace, split(fill.identifier)[1])
        self._changed(key, account, filled(account.cell, fill.cell))

    def judge(self, message: Judged) -> None:
        """An account whose document other definitions made."""
        account: Any = self._records[message.owner]
        if account.judged != self._definitions.fingerprint:
            self._changed(message.owner, account, account.cell)

    def _account(self, key: str, workspace: str, group: str) -> Account:
        found: Any = self.changed.get(key) or self._records[key]
        return found or Account(workspace, group)

    def _changed(self, key: str, account: Account, cell: Cell) -> None:
        account.cell, account.count, account.judged = cell, account.count + 1, self._definitions.fingerprint
        self.changes[key] = self.changed[key] = account


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
