"""Look people up in the state file, from any process: two gets for an identifier or an id, whoever merged with whom."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from schemas.fast import Profile
from schemas.identifiers import account_id, profile_id
from services.errors import Rejected
from services.identifiers import IdentityRules
from services.identity import records as identity
from services.profile import accounts
from services.profile.definitions import Definitions
from services.profile.person import Person, document
from services.runtime import frames, rebuild

_SQL = {stage: f"SELECT value FROM records_{stage} WHERE key = ?" for stage in ("identity", "assemble", "accounts")}  # noqa: S608


class ProfileReader:
    """Reads what the engine has committed, as it is at the time of reading (`clock`, epoch ms). Each thread gets a
    connection of its own."""

    def __init__(self, path: Path, rules: IdentityRules, definitions: Definitions, clock: Callable[[], int]):
        self._path, self._rules, self._definitions, self._clock = path, rules, definitions, clock
        self._known = msgspec.msgpack.Decoder(identity.Record).decode
        self._person = msgspec.msgpack.Decoder(Person).decode
        self._account = msgspec.msgpack.Decoder(accounts.Account | accounts.Contributor).decode
        self._local = threading.local()

    def find(self, workspace: str, kind: str, value: str) -> Profile | None:
        """The person whom this identifier belongs to. Raises Rejected for a value that identifies nobody."""
        identifier = self._rules.clean(kind, value)
        if identifier is None:
            raise Rejected("bad_identifier", self._rules.why_not(kind, value), field=kind)
        return self.of(workspace, identifier)

    def of(self, workspace: str, identifier: str) -> Profile | None:
        """The person whom this identifier (text form, normalised) belongs to."""
        return self.get(workspace, profile_id(workspace, identifier))

    def get(self, workspace: str, profile_id: str) -> Profile | None:
        """The person who has this id now: after a merge the one it was merged into."""
        known = self._record("identity", profile_id, self._known)
        owner = known.owner if isinstance(known, identity.Known) else profile_id
        person = self._record("assemble", owner, self._person)
        found = self._document(person) if person is not None else None
        return found if found is not None and found.workspace == workspace and not found.deleted else None

    def account(self, workspace: str, group: str) -> Profile | None:
        """The account of this group id."""
        found = self._record("accounts", account_id(workspace, group), self._account)
        if not isinstance(found, accounts.Account):
            return None
        return accounts.document(found, self._definitions.accounts, rebuild.generation(self._connection()))

    def _document(self, person: Person) -> Profile:
        now = max(self._clock(), person.at)
        return document(person, self._definitions, rebuild.generation(self._connection()), now=now)

    def _record(self, stage: str, key: str, decode: Any) -> Any:
        row = self._connection().execute(_SQL[stage], (key,)).fetchone()
        return decode(row[0]) if row else None

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = frames.open_reader(self._path)
        return connection
