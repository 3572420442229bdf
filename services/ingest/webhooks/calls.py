"""From a provider's content to calls in Segment's shape, which are then judged like all others. Pure."""

from typing import Any, NamedTuple

import msgspec

from schemas import fast
from services.errors import Rejected
from services.ingest.refusal import Refusal
from services.ingest.webhooks.provider import Event, Webhook

# What reading raises when a signed content is not of the documented shape. Anything else is a bug.
UNREADABLE = (msgspec.MsgspecError, Refusal, LookupError, ValueError, ArithmeticError, RecursionError)


class Calls(NamedTuple):
    """Calls to be judged, and what could not be read, as it came, with the reason."""

    good: list[msgspec.Raw]
    refused: list[tuple[bytes, Rejected]]


def calls(webhook: Webhook, content: bytes, most: int) -> Calls:
    """The content's events as `track` calls. One that cannot be read costs no other.

    Raises Refusal when there are more than `most`.
    """
    done = Calls([], [])
    try:
        items = list(webhook.items(content))
    except UNREADABLE as error:
        done.refused.append((content, _unreadable(error)))
        return done
    if len(items) > most:
        raise Refusal(413, "too_many_events", f"the request has {len(items)} events; at most {most} are accepted")
    for item in items:
        try:
            done.good.append(_call(webhook.event(item)))
        except UNREADABLE as error:
            done.refused.append((fast.dumps(item), _unreadable(error)))
    return done


def _call(event: Event) -> msgspec.Raw:
    call: dict[str, Any] = {
        "type": "track",
        "event": event.name,
        "messageId": event.id or None,
        "timestamp": event.at,
        "properties": event.properties,
        "context": {"externalIds": [{"type": kind, "id": value, "collection": "users"} for kind, value in event.who]},
    }
    return msgspec.Raw(fast.dumps(call))


def _unreadable(error: Exception) -> Rejected:
    expected = "an event as the provider documents it"
    return Rejected("unreadable", f"the provider's event cannot be read: {str(error)[:300]}", expected=expected)
