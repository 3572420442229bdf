"""From the cells of a row to a call of the tracking API with a message id of its own. Pure.

The message id, when no column has it: `row-` and the BLAKE2b-128 of source, type, event and the texts of the columns
in `id`; without `id`, of source and the whole call, and how many rows gave the same call before it in the file. So the
same file again, with rows mended or added, doubles nothing.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from schemas import fast
from services.errors import Rejected
from services.ingest.imports.mapping import Mapping, Moment, Value
from services.ingest.imports.occurrences import Occurrences
from services.ingest.imports.values import Convert, converted, converter, text

Cells = Sequence[Any]  # of the mapping's columns, in their order
Part = Callable[[Cells], Any]  # None: there is nothing
_NAMED_PERSON = ("email", "phone")


class Calls:
    """Makes calls of rows as a mapping says, for one source and one file."""

    def __init__(self, mapping: Mapping, source: str):
        self._mapping, self._source = mapping, source
        self._at = {column: at for at, column in enumerate(mapping.columns)}
        self._empty = frozenset(mapping.empty)
        self._occurrences = Occurrences()
        name = {"event": mapping.event, "name": mapping.name, "groupId": mapping.group_id}
        ids = {"userId": mapping.user_id, "anonymousId": mapping.anonymous_id}
        self._top = self._parts("", {**name, **ids, "timestamp": mapping.timestamp}, as_text=True)
        self._contacts = self._parts("", {one: getattr(mapping, one) for one in _NAMED_PERSON}, as_text=True)
        self._external = self._parts("externalIds.", mapping.external_ids, as_text=True)
        self._properties = self._parts("properties.", mapping.properties)
        self._traits = self._parts("traits.", mapping.traits)
        self._consent = self._parts("consent.", mapping.consent)
        self._message_id = self._parts("", {"messageId": mapping.message_id}, as_text=True)
        self._key = self._parts("", {column: Value(column=column) for column in mapping.id}, as_text=True)

    def item(self, cells: Cells) -> bytes:
        """The call as JSON, with its message id. Raises Rejected when a cell is not what it should be."""
        call = self.call(cells)
        return fast.dumps({"messageId": self._named(cells, call), **call})

    def call(self, cells: Cells) -> dict[str, Any]:
        """The call without its message id. What is empty is left out; a timestamp must be there if one is mapped."""
        call = {"type": self._mapping.type} | _filled(self._top, cells)
        if self._mapping.timestamp and "timestamp" not in call:
            raise _missing("timestamp", self._mapping.timestamp.column, "the time when it happened")
        properties, traits = _filled(self._properties, cells), _filled(self._traits, cells)
        person, external = _filled(self._contacts, cells), _filled(self._external, cells)
        context: dict[str, Any] = {}
        if external:
            listed = [{"id": value, "type": kind, "collection": "users"} for kind, value in external.items()]
            context["externalIds"] = listed
        if person and self._mapping.type == "identify":
            traits = person | traits
        elif person:
            context["traits"] = person
        if consent := _consent(_filled(self._consent, cells)):
            traits = {**traits, "consent": consent}
        parts = {"properties": properties, "traits": traits, "context": context}
        return call | {name: part for name, part in parts.items() if part}

    def _named(self, cells: Cells, call: dict[str, Any]) -> str:
        if self._message_id:
            found = _filled(self._message_id, cells).get("messageId")
            if found is None:
                column = self._mapping.message_id.column if self._mapping.message_id else None
                raise _missing("messageId", column, "an id")
            return str(found)
        if self._key:
            key = _filled(self._key, cells)
            for column in self._mapping.id:
                if column not in key:
                    raise _missing("id", column, "a value: it is part of the row's `id`")
            said = [self._source, call["type"], call.get("event", ""), [key[column] for column in self._mapping.id]]
            return f"row-{blake2b(fast.dumps(said), digest_size=16).hexdigest()}"
        digest = blake2b(fast.dumps([self._source, call]), digest_size=16)
        digest.update(b"\0%d" % self._occurrences.count(digest.digest()))
        return f"row-{digest.hexdigest()}"

    def _parts(self, where: str, found: dict[str, Any], as_text: bool = False) -> list[tuple[str, Part]]:
        """What makes each part, by name, so that the order of the mapping's lines changes nothing."""
        return [(name, self._part(where + name, found[name], as_text)) for name in sorted(found) if found[name]]

    def _part(self, field: str, value: Value | Moment, as_text: bool) -> Part:
        if isinstance(value, Value) and value.column is None:
            constant = value.constant
            return lambda cells: constant
        column = str(value.column)
        at, empty, plain = self._at[column], self._empty, as_text and isinstance(value, Value) and value.type is None
        convert: Convert = text if plain else converter(value)

        def part(cells: Cells) -> Any:
            cell = cells[at]
            if type(cell) is str:
                if cell in empty or cell.strip() in empty:
                    return None
            elif cell is None or cell != cell:  # NaN is how some programs write nothing into a column of numbers
                return None
            return converted(convert, cell, column, field)

        return part


def _filled(parts: list[tuple[str, Part]], cells: Cells) -> dict[str, Any]:
    return {name: value for name, part in parts if (value := part(cells)) is not None}


def _consent(said: dict[str, Any]) -> dict[str, Any]:
    """What `email` and `email/newsletter` say, as a call says it."""
    found: dict[str, Any] = {}
    for name, answer in said.items():
        channel, _, purpose = name.partition("/")
        if purpose:
            found.setdefault(channel, {})[purpose] = answer
        else:
            found[channel] = answer
    return found


def _missing(field: str, column: str | None, expected: str) -> Rejected:
    return Rejected("missing_field", f'column "{column}" is empty; expected {expected}', field, expected, "nothing")
