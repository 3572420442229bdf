"""The consent ledger: what a person said to being written to, on a channel as a whole or for one purpose of it.

An identify call says it in `traits.consent`: {channel: yes or no} or {channel: {purpose: yes or no}}. Yes and no are
true, false, "granted", "denied", or an object with `granted` that is true or false, whose other fields are the proof.
Track events that say it: `Consent Granted` and `Consent Denied` with a `channel` and perhaps a `purpose`,
`Email Unsubscribed` (perhaps with a `purpose`) and `Email Marked as Spam`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.fast import Touchpoint
from services.conditions import exact
from services.profile.cell import CONSENTS, Answer, Cell, bounded

NAME = 128  # characters of a channel or purpose
EVENTS = {
    "Consent Granted": False,
    "Consent Denied": True,
    "Email Unsubscribed": True,
    "Email Marked as Spam": True,
}  # track event: denied?
_DENIED = {True: False, False: True, "granted": False, "denied": True}

Said = tuple[str, bool | None]
"""(channel or channel/purpose, denied); None for what could not be understood."""


def told(cell: Cell, touchpoint: Touchpoint, raw: Any) -> None:
    """What `traits.consent` of an identify call says."""
    found = exact.value(raw)
    _take(cell, touchpoint, _said(found) if isinstance(found, dict) else ())


def happened(cell: Cell, touchpoint: Touchpoint) -> None:
    """What one of the `EVENTS` says."""
    properties, event = exact.properties(touchpoint.properties), touchpoint.event
    denied = EVENTS[event]
    channel = properties.get("channel") if event.startswith("Consent") else "email"
    purpose = properties.get("purpose") if event != "Email Marked as Spam" else None
    if purpose in (None, "") or (denied and not _named(purpose)):
        _take(cell, touchpoint, [(channel, denied if _named(channel) else None)])
    else:
        _take(cell, touchpoint, [(f"{channel}/{purpose}", denied if _named(channel) and _named(purpose) else None)])


def answer(consent: Mapping[str, Answer], key: str) -> str | None:
    """The answer that holds under a key ("granted" or "denied"); None when nothing was said there. A whole channel that
    was denied later denies all its purposes."""
    own = consent.get(key)
    if own is None:
        return None
    whole = consent.get(key.partition("/")[0])
    return "denied" if own[2] or (whole is not None and whole[2] and whole[:2] >= own[:2]) else "granted"


def _said(consent: dict[str, Any]) -> Iterator[Said]:
    for channel, said in consent.items():
        if not _named(channel):
            yield channel, None
        elif isinstance(said, dict) and "granted" not in said:
            for purpose, one in said.items():
                yield f"{channel}/{purpose}", _denied(one) if _named(purpose) else None
        else:
            yield channel, _denied(said)


def _denied(said: Any) -> bool | None:
    if isinstance(said, dict) and "granted" in said:
        granted = said["granted"]
        return not granted if type(granted) is bool else None
    return _DENIED.get(said) if type(said) in (bool, str) else None


def _named(name: Any) -> bool:
    return type(name) is str and 0 < len(name) <= NAME


def _take(cell: Cell, touchpoint: Touchpoint, said: Any) -> None:
    """Each the last word until a later one."""
    consent = cell.consent.copy()
    for key, denied in said:
        if denied is None:
            cell.left_out += 1
            continue
        word = (touchpoint.timestamp, touchpoint.message_id, denied)
        if key not in consent or consent[key] < word:
            consent[key] = word
    cell.consent = bounded(consent, CONSENTS)
