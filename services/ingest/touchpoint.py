"""A judged call as the line of the log that the rest of the platform reads."""

from typing import Any

import msgspec

from schemas import fast
from services.ingest.payload import Payload
from services.ingest.sources import Source
from services.ingest.stamps import Stamps


def touchpoint(payload: Payload, source: Source, times: Stamps, received_at: int, **judged: Any) -> fast.Touchpoint:
    """The touchpoint of a call; `judged` has its message_id, identifiers, rules, previous and imported."""
    call, kind = payload.call, payload.kind
    return fast.Touchpoint(
        workspace=source.workspace,
        source=source.name,
        channel=source.channel,
        type=kind,  # type: ignore[arg-type]  # one of segment.CALLS, or it had been refused
        event=_event(payload),
        anchor=judged["identifiers"][0],
        timestamp=times.timestamp,
        original_timestamp=times.original,
        sent_at=times.sent_at,
        received_at=received_at,
        evidence_at=times.evidence_at,
        group_id=str(call.group_id) if kind == "group" else "",
        properties=_properties(payload),
        traits=payload.raw_traits,
        context=payload.raw_context,
        **judged,
    )


def line(message: Any) -> bytes:
    """A message as one line of the log, without its newline.

    Objects are passed on byte for byte, and a newline in JSON can only stand between its tokens.
    """
    text = fast.dumps(message)
    return text.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in text or b"\r" in text else text


def _event(payload: Payload) -> str:
    """The name of what was done: a track's event, the name of a page or screen, else empty."""
    if payload.kind == "track":
        return str(payload.call.event)
    return payload.call.name or "" if payload.kind in ("page", "screen") else ""


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
