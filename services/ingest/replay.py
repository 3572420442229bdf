"""A refused item once more: as a call that can be mended, and mended as an item to be sent again. Pure.

What is sent again has the message id that the item is known by (its own, or one made of its place in the log), so that
it counts once however often it is sent. It keeps the time at which it happened: its own, corrected as if it had been
accepted when it came first, else the moment when it came.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from schemas import fast
from services.conditions import exact
from services.errors import Rejected
from services.ingest.explain import shown
from services.ingest.segment import CALLS, MESSAGE_ID_LENGTH
from services.ingest.stamps import millis, stamp

WEBHOOK = "webhook"  # the kind of an item that came in a provider's own form

Edit = tuple[str, Any]  # (path, value): put it there; (path, Moved): what stands elsewhere goes there


class Moved(NamedTuple):
    """The value that stands at another path now."""

    path: str


class Refused(NamedTuple):
    """A refused item as the warehouse has it. `id` is the message id for sending it again; `at` is epoch ms."""

    id: str
    workspace: str
    source: str
    kind: str
    at: int
    code: str
    field: str
    reason: str
    raw: str
    resolved: bool = False


def call_of(item: Refused) -> Any:
    """The call as it came, with its type; as text when it was no JSON object. Numbers are exact."""
    found = exact.value(item.raw)
    if isinstance(found, dict):
        return {"type": item.kind, **found, **({"type": item.kind} if item.kind in CALLS else {})}
    return found if isinstance(found, str) else item.raw


def edited(call: Any, edits: Iterable[Edit]) -> Any:
    """The call with these changes, in their order. What is no object cannot be changed."""
    if not isinstance(call, dict):
        return call
    for path, value in edits:
        if not isinstance(value, Moved):
            _put(call, path.split("."), value)
        elif (found := _take(call, value.path.split("."))) is not None:
            _put(call, path.split("."), found)
    return call


def again(call: Any, message_id: str, received_at: int) -> bytes:
    """The item to send. Raises Rejected when the call is no object."""
    if not isinstance(call, dict):
        expected = 'an object like {"type": "track", …}'
        raise Rejected("not_an_object", f"`call` is {shown(call)}; expected {expected}", "call", expected, shown(call))
    return fast.dumps({**_timed(call, received_at), "messageId": message_id})


def _timed(call: Mapping[str, Any], received_at: int) -> dict[str, Any]:
    """The call with the time that it would have got then; untouched when a time in it is wrong."""
    said = [call.get(name) for name in ("timestamp", "originalTimestamp", "sentAt")]
    if not all(value is None or (isinstance(value, str | int) and not isinstance(value, bool)) for value in said):
        return dict(call)
    try:
        timestamp, original, sent_at = (millis(value, "") for value in said)
    except Rejected:
        return dict(call)
    first = timestamp if timestamp is not None else original
    at = stamp(first, sent_at, received_at, None).timestamp
    rest = {name: value for name, value in call.items() if name not in ("originalTimestamp", "sentAt")}
    return {**rest, "timestamp": instant(at)}


def instant(at: int) -> str:
    """Epoch milliseconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at % 1_000:03d}Z"


class Mended(msgspec.Struct, kw_only=True):
    """One line of the file that is written for mending, and read again. Only `call` is meant to be changed."""

    id: str
    workspace: str
    source: str
    received_at: str
    code: str = ""
    field: str = ""
    reason: str = ""
    call: Any


def line_of(item: Refused) -> bytes:
    """The item as a line for mending."""
    said = Mended(
        id=item.id, workspace=item.workspace, source=item.source, received_at=instant(item.at), code=item.code,
        field=item.field, reason=item.reason, call=call_of(item),
    )  # fmt: skip
    return fast.dumps(said)


def mended(line: bytes) -> Mended:
    """A line of such a file. Raises Rejected when it is none."""
    found = exact.value(line)
    if not isinstance(found, dict):
        raise Rejected("not_a_line", "it is no line of `rapport rejected export`: expected one JSON object a line")
    try:
        one = msgspec.convert(found, Mended)
    except msgspec.ValidationError as error:
        raise Rejected("not_a_line", f"it is no line of `rapport rejected export`: {error}") from None
    if millis(one.received_at, "received_at") is None:
        raise Rejected("not_a_line", "`received_at` is empty: it is the time of an item without one")
    if not 0 < len(one.id) <= MESSAGE_ID_LENGTH:
        raise Rejected("not_a_line", f"`id` has {len(one.id)} characters; expected 1 to {MESSAGE_ID_LENGTH}")
    return one


def _put(call: dict[str, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        inner = call.get(step)
        if not isinstance(inner, dict):
            inner = call[step] = {}
        call = inner
    call[path[-1]] = value


def _take(call: dict[str, Any], path: list[str]) -> Any:
    for step in path[:-1]:
        inner = call.get(step)
        if not isinstance(inner, dict):
            return None
        call = inner
    return call.pop(path[-1], None)
