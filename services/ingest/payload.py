"""One call, read and found well-formed: its objects decoded, its size, depth and text within bounds.

Calls are decoded whole, although little of them is looked at: so nothing is accepted that somebody downstream
could not read (the number 1e999, say). Objects are passed on as they came, byte for byte.
"""

from typing import Any, NamedTuple

import msgspec

from schemas import fast
from services.errors import Rejected
from services.ingest import decode
from services.ingest.decode import Item
from services.ingest.explain import explain, shown, unreadable
from services.ingest.sources import Limits, Source
from services.ingest.stamps import TIME, millis

_NOTHING: dict[str, Any] = {}
_NUL = b"\\u0000"  # as JSON writes it


class Arrival(NamedTuple):
    """How the calls came: from whom, when (epoch ms), and what their batch says for all of them."""

    source: Source
    received_at: int
    context: Any = fast.EMPTY
    sent_at: Any = None
    imported: bool = False


class Shared(NamedTuple):
    """What a batch gives to each of its items: its context, decoded and by key, its size, and sentAt (epoch ms)."""

    context: dict[str, Any] = _NOTHING
    raws: dict[str, msgspec.Raw] = _NOTHING
    size: int = 0
    sent_at: int | None = None


ALONE = Shared()  # a single call, or a batch that adds nothing


class Payload(msgspec.Struct, frozen=True, gc=False):
    """A call with its objects decoded; `call` has what stands beside them, `raw_…` what is passed on."""

    call: Item
    kind: str
    properties: dict[str, Any]
    traits: dict[str, Any]
    context: dict[str, Any]
    raw_traits: Any
    raw_context: Any


def read(raw: msgspec.Raw, kind: str, shared: Shared, limits: Limits) -> Payload:
    """Read one call of type `kind`, or of the type it names. Raises Rejected when it is wrong or out of bounds."""
    text = bytes(raw)
    size = len(text) + shared.size
    if size > limits.event_bytes:
        reason = f"the event has {size} bytes with what its batch adds; at most {limits.event_bytes} are accepted"
        raise Rejected("too_large", reason, expected=f"at most {limits.event_bytes} bytes", got=f"{size} bytes")
    _bounded(text, limits.depth)
    try:
        call, whole = decode.item(text), fast.loads(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise explain(kind, raw) from None
    kind = kind or call.type
    objects = whole.get("properties"), whole.get("traits"), whole.get("context")
    if not decode.well_formed(call, kind, objects):
        raise explain(kind, raw)
    if _NUL in text:
        _no_nul(call)
    properties, traits, context = objects
    raw_context: Any = call.context if context else fast.EMPTY
    if shared.size:
        context, raw_context = _overlaid(context, call.context, shared)
    raw_traits = call.traits if traits else fast.EMPTY
    return Payload(call, kind, properties or _NOTHING, traits or _NOTHING, context or _NOTHING, raw_traits, raw_context)


def share(context: msgspec.Raw, sent_at: Any, depth: int) -> Shared:
    """What a batch's context and sentAt give to its items. Raises Rejected, for all of them, when they are wrong."""
    if sent_at is None and context is fast.EMPTY:
        return ALONE
    if not isinstance(sent_at, str | int | None) or isinstance(sent_at, bool):
        reason = f"the batch's sentAt is {shown(sent_at)}; expected {TIME}"
        raise Rejected("invalid_field", reason, "sentAt", TIME, shown(sent_at))
    at = millis(sent_at, "sentAt")
    _bounded(bytes(context), depth - 1)
    try:
        found: Any = fast.loads(context)
    except msgspec.DecodeError as error:
        raise unreadable(error) from None
    if found is None or found == {}:
        return Shared(sent_at=at)
    if not isinstance(found, dict):
        reason = f"the batch's context is {shown(found)}; expected a JSON object"
        raise Rejected("invalid_field", reason, "context", "a JSON object", shown(found))
    return Shared(found, decode.keys(context), len(bytes(context)), at)


def _overlaid(own: dict[str, Any] | None, raw: msgspec.Raw, shared: Shared) -> tuple[dict[str, Any], Any]:
    """The call's context laid over its batch's, key by key: decoded, and as it is passed on."""
    if not own:
        return shared.context, fast.raw(shared.raws)
    return shared.context | own, fast.raw(shared.raws | decode.keys(raw))


def _bounded(text: bytes, depth: int) -> None:
    """Raise Rejected when objects and arrays are nested deeper than this. Text with few brackets needs no look."""
    if text.count(b"{") + text.count(b"[") <= depth:
        return
    try:
        level: list[Any] = [fast.loads(text)]
    except msgspec.DecodeError:
        return  # to be explained by whoever reads it
    except RecursionError:
        level = []
    else:
        for _ in range(depth + 1):
            level = [value for value in level if type(value) in (dict, list)]
            if not level:
                return
            level = [part for value in level for part in (value.values() if type(value) is dict else value)]
    reason = f"objects and arrays are nested deeper than {depth} levels"
    raise Rejected("too_deep", reason, expected=f"at most {depth} levels", got="more")


def _no_nul(call: Item) -> None:
    """Raise Rejected when a name or id holds the character U+0000, which cannot be part of a key."""
    for name in ("event", "name", "category", "message_id", "group_id", "previous_id"):
        if "\0" in str(getattr(call, name)):
            field = decode.WIRE_NAMES[name]
            reason = f"`{field}` contains the character U+0000; expected text without it"
            raise Rejected("invalid_field", reason, field, "text without U+0000", "text with U+0000")
