"""A judged call as the line of the log that the rest of the platform reads."""

from typing import Any

import msgspec

from schemas import fast
from services.ingest.decode import Item
from services.ingest.payload import Arrival, Payload
from services.ingest.stamps import Stamps


class _Touchpoint(msgspec.Struct, gc=False):
    """The fields of `schemas.wire.Touchpoint` (a test compares them), in the order in which they are filled below. The
    archive reads what stands before `properties` from the text alone.

    By position, because naming two dozen arguments takes ten times as long as everything else about a struct.
    """

    workspace: str
    source: str
    channel: str
    rules: str
    trust: str
    imported: bool
    received_at: int
    type: str
    event: str
    message_id: str
    anchor: str
    identifiers: tuple[str, ...]
    previous: str
    group_id: str
    timestamp: int
    evidence_at: int
    original_timestamp: int | None
    sent_at: int | None
    violations: tuple[str, ...]
    properties: Any
    traits: Any
    context: Any
    restored: bool = False
    v: int = 1


def touchpoint(
    payload: Payload,
    arrival: Arrival,
    rules: str,
    message_id: str,
    found: tuple[str, ...],
    previous: str,
    group: str,
    times: Stamps,
    violations: tuple[str, ...] = (),
) -> Any:
    """The touchpoint of a call, to be written. `rules` is the fingerprint that `found`, its identifiers, come from."""
    call, kind, source = payload.call, payload.kind, arrival.source
    return _Touchpoint(
        source.workspace,
        source.name,
        source.channel,
        rules,
        source.trust,
        arrival.imported,
        arrival.received_at,
        kind,
        _event(call, kind),
        message_id,
        found[0],
        found,
        previous,
        group,
        times.timestamp,
        times.evidence_at,
        times.original,
        times.sent_at,
        violations,
        _properties(payload),
        payload.raw_traits,
        payload.raw_context,
    )


def line(message: Any) -> bytes:
    """A message as one line of the log, without its newline.

    Objects are passed on byte for byte, and a newline in JSON can only stand between its tokens.
    """
    text = fast.dumps(message)
    return text.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in text or b"\r" in text else text


def _event(call: Item, kind: str) -> str:
    """The name of what was done: a track's event, the name of a page or screen, else empty."""
    name = call.event if kind == "track" else call.name if kind == "page" or kind == "screen" else ""
    return name or ""


def _properties(payload: Payload) -> Any:
    """The properties as they came, with a page's name and category among them, where Segment's browsers put them."""
    call, properties = payload.call, payload.properties
    if payload.kind == "page" or payload.kind == "screen":
        stated = {"name": call.name, "category": call.category}
        missing = {key: value for key, value in stated.items() if value and key not in properties}
        if missing:
            rest = b"," + bytes(call.properties)[1:] if properties else b"}"
            return msgspec.Raw(fast.dumps(missing)[:-1] + rest)
    return call.properties if properties else fast.EMPTY
