"""Look people up in what the stages keep: two gets for an identifier or an id, whoever merged with whom."""

from collections.abc import Callable

import msgspec

from schemas.fast import Profile
from schemas.identifiers import account_id, profile_id
from services.errors import Rejected
from services.identifiers import IdentityRules
from services.identity import records as identity
from services.profile import accounts
from services.profile.definitions import Definitions
from services.profile.person import Person, document
from services.runtime.ports import Records


class ProfileReader:
    """Makes documents of the records, as they are at the time of reading (`clock`, epoch ms). For any thread."""

    def __init__(self, records: Records, rules: IdentityRules, definitions: Definitions, clock: Callable[[], int]):
        self._records, self._rules, self._definitions, self._clock = records, rules, definitions, clock
        self._known = msgspec.msgpack.Decoder(identity.Record).decode
        self._person = msgspec.msgpack.Decoder(Person).decode
        self._account = msgspec.msgpack.Decoder(accounts.Account | accounts.Contributor).decode

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
        known, value = self._records.find([("identity", profile_id), ("assemble", profile_id)])
        owner = self._owner(known) or profile_id
        if owner != profile_id:
            value = self._records.find([("assemble", owner)])[0]
        found = self._document(self._person(value)) if value is not None else None
        return found if found is not None and found.workspace == workspace and not found.deleted else None

    def account(self, workspace: str, group: str) -> Profile | None:
        """The account of this group id."""
        value = self._records.find([("accounts", account_id(workspace, group))])[0]
        found = self._account(value) if value is not None else None
        if not isinstance(found, accounts.Account):
            return None
        return accounts.document(found, self._definitions.accounts, self._records.generation())

    def _owner(self, value: bytes | None) -> str:
        known = self._known(value) if value is not None else None
        return known.owner if isinstance(known, identity.Known) else ""

    def _document(self, person: Person) -> Profile:
        now = max(self._clock(), person.at)
        return document(person, self._definitions, self._records.generation(), now=now)
