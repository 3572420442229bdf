"""The quick way to read a call: one msgspec struct for all types, objects left as raw bytes.

It accepts exactly what the models of `segment.py` accept and knows nothing about reasons: whoever gets None or an
error asks `explain.py` why.
"""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from schemas import fast
from services.ingest.segment import ID_LENGTH, MESSAGE_ID_LENGTH, NAME_LENGTH

_Id = Annotated[str, msgspec.Meta(max_length=ID_LENGTH)] | int | None
_MessageId = Annotated[str, msgspec.Meta(max_length=MESSAGE_ID_LENGTH)] | int | None
_Time = str | int | None


class Item(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """One call. What only some calls have is looked at by `well_formed`; a missing object is `{}`."""

    type: Any = None
    user_id: _Id = None
    anonymous_id: _Id = None
    message_id: _MessageId = None
    timestamp: _Time = None
    original_timestamp: _Time = None
    sent_at: _Time = None
    properties: msgspec.Raw = fast.EMPTY
    traits: msgspec.Raw = fast.EMPTY
    context: msgspec.Raw = fast.EMPTY
    event: Any = None
    name: Any = None
    category: Any = None
    group_id: Any = None
    previous_id: Any = None


class Envelope(msgspec.Struct, rename="camel", frozen=True):
    """A batch's body. `sent_at` and `write_key` are looked at later, so that a wrong one costs no good item."""

    batch: list[msgspec.Raw]
    context: msgspec.Raw = fast.EMPTY
    sent_at: Any = None
    write_key: Any = None


class Single(msgspec.Struct, rename="camel", frozen=True):
    """What a single call's body says about the request."""

    write_key: Any = None


WIRE_NAMES = dict(zip(Item.__struct_fields__, Item.__struct_encode_fields__, strict=True))

item = msgspec.json.Decoder(Item).decode
envelope = msgspec.json.Decoder(Envelope).decode
single = msgspec.json.Decoder(Single).decode
keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _id(value: object) -> bool:
    return (type(value) is str and 0 < len(value) <= ID_LENGTH) or type(value) is int


def _name(value: object) -> bool:
    return value is None or (type(value) is str and len(value) <= NAME_LENGTH)


def well_formed(call: Item, kind: object, objects: Iterable[object]) -> bool:
    """Whether this call has what its type needs, and its objects are objects or null."""
    for value in objects:
        if type(value) is not dict and value is not None:
            return False
    if kind == "track":
        return bool(call.event) and _name(call.event)
    if kind == "page" or kind == "screen":
        return _name(call.name) and _name(call.category)
    if kind == "group":
        return _id(call.group_id)
    if kind == "alias":
        return _id(call.user_id) and _id(call.previous_id)
    return kind == "identify"
