"""Hold a call against the tracking plan."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from jsonschema_rs import ValidationError, Validator

from schemas import fast
from services.errors import Rejected
from services.ingest import decode
from services.ingest.payload import Payload
from services.ingest.plan.definitions import PARTS, Action, Planned, compiled

MOST = 10  # violations of one call that are told
LONGEST = 200  # characters of one

Parts = tuple[tuple[str, Validator], ...]
Found = tuple[str, ValidationError]  # the part (properties or traits), and what is wrong in it
CODE = "plan_violation"


class Entry(NamedTuple):
    """What the plan says of one event."""

    action: Action
    parts: Parts


class Plan:
    """The plan of all sources. `unplanned` is what becomes, by source, of track events that are not in it."""

    def __init__(self, events: Iterable[Planned] = (), unplanned: Mapping[str, str] | None = None):
        self._entries = {(one.source, one.type, one.event): _entry(one) for one in events}
        self._unplanned = {name: action for name, action in (unplanned or {}).items() if action != "allow"}

    def judge(self, source: str, payload: Payload) -> tuple[Payload, tuple[str, ...]]:
        """The call as it may go on, and its violations, "where: what is wrong" each.

        Raises Rejected (code plan_violation) for one that the plan blocks.
        """
        if not self._entries and not self._unplanned:
            return payload, ()
        entry = self._entry(source, payload)
        if entry is None:
            return payload, self._stranger(source, payload)
        found = [(part, error) for part, schema in entry.parts for error in _errors(schema, getattr(payload, part))]
        if not found:
            return payload, ()
        if entry.action == "block":
            raise _blocked(found)
        if entry.action == "omit":
            payload = _without(payload, found)
        return payload, tuple(_told(part, error) for part, error in found[:MOST])

    def _entry(self, source: str, payload: Payload) -> Entry | None:
        """The plan's word on this call: the source's own goes first, and the event's before the type's."""
        kind, name = payload.kind, _name(payload)
        for key in ((source, kind, name), (source, kind, ""), (None, kind, name), (None, kind, "")):
            if key in self._entries:
                return self._entries[key]
        return None

    def _stranger(self, source: str, payload: Payload) -> tuple[str, ...]:
        action = self._unplanned.get(source) if payload.kind == "track" else None
        if action is None:
            return ()
        name = _name(payload)[: LONGEST // 2]
        if action == "block":
            told = f'the tracking plan of source {source} has no event "{name}"'
            raise Rejected(CODE, told, "event", "an event of the plan", name)
        return (f"event: the plan does not name {name}",)


EVERYTHING = Plan()  # the plan of those who have none: whatever comes is right


def _entry(planned: Planned) -> Entry:
    parts = ((part, getattr(planned, part)) for part in PARTS)
    return Entry(planned.on_violation, tuple((part, compiled(schema)) for part, schema in parts if schema is not None))


def _name(payload: Payload) -> str:
    call = payload.call
    return str((call.event if payload.kind == "track" else call.name) or "")


def _errors(schema: Validator, value: Any) -> Iterator[ValidationError]:
    if not schema.is_valid(value):  # three times as quick as asking for the errors of what has none
        yield from schema.iter_errors(value)


def _place(part: str, error: ValidationError) -> str:
    return ".".join([part, *map(str, error.instance_path)])


def _told(part: str, error: ValidationError) -> str:
    text = f"{_place(part, error)}: {error.message}"
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _blocked(found: list[Found]) -> Rejected:
    part, first = found[0]
    told = "; ".join(_told(*one) for one in found[:MOST])
    more = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
    return Rejected(CODE, f"the tracking plan is violated: {told}{more}", _place(part, first), "what the plan says")


def _without(payload: Payload, found: list[Found]) -> Payload:
    """The call without the properties and traits in which something is wrong. What is only missing stays missing."""
    for part in PARTS:
        left_out = {name for where, error in found if where == part for name in _offenders(error)}
        if kept := {name: value for name, value in getattr(payload, part).items() if name not in left_out}:
            if len(kept) == len(getattr(payload, part)):
                continue
            pieces = decode.keys(getattr(payload.call, part))
            raw = fast.raw({name: value for name, value in pieces.items() if name in kept})
        else:
            raw = fast.EMPTY
        call = msgspec.structs.replace(payload.call, **{part: raw})
        changed: dict[str, Any] = {"call": call, part: kept} | ({"raw_traits": raw} if part == "traits" else {})
        payload = msgspec.structs.replace(payload, **changed)
    return payload


def _offenders(error: ValidationError) -> list[str]:
    """The names at the top of the object that an error is about; none when something is missing."""
    if error.instance_path:
        return [str(error.instance_path[0])]
    return list(getattr(error.kind, "unexpected", []))
