"""From calls to lines of the log and a verdict for each. Pure: the time and the maker of new ids are given.

An accepted call becomes one line of the topic `touchpoints`, a refused one a line of `rejected` with its reason.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from schemas import fast
from services.errors import Rejected
from services.identifiers import IdentityRules
from services.ingest import decode, extract
from services.ingest.decode import Item
from services.ingest.explain import meant
from services.ingest.payload import Arrival, Shared, read, share
from services.ingest.plan.judging import EVERYTHING, Plan
from services.ingest.recent import Recent
from services.ingest.sources import Limits
from services.ingest.stamps import Stamps, millis, stamp
from services.ingest.touchpoint import line, touchpoint


class Verdict(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """What became of one item, as the client is told: accepted, duplicate, or rejected and why. `violations` of the
    tracking plan do not keep an item from being accepted."""

    message_id: str
    status: str
    code: str = ""
    field: str = ""
    expected: str = ""
    got: str = ""
    reason: str = ""
    hint: str = ""
    violations: tuple[str, ...] = ()


class Collected(NamedTuple):
    """The lines for the log, a verdict per item in their order, and per accepted item its key in `Recent`."""

    touchpoints: list[bytes]
    rejected: list[bytes]
    verdicts: list[Verdict]
    keys: list[int]


class Collector:
    """Judges calls by the rules of identity, the limits and the tracking plan. `new_id` makes the messageId of a call
    without one."""

    def __init__(self, rules: IdentityRules, limits: Limits, new_id: Callable[[], str], plan: Plan = EVERYTHING):
        self.limits = limits
        self._rules, self._new_id, self._plan = rules, new_id, plan

    def collect(self, items: Sequence[msgspec.Raw], kind: str, arrival: Arrival) -> Collected:
        """Judge every item on its own. `kind` is the type of all of them, or empty when each says its own."""
        done = Collected([], [], [], [])
        try:
            shared = share(arrival.context, arrival.sent_at, self.limits.depth)
        except Rejected as rejected:
            for raw in items:
                self._reject(raw, kind, rejected, arrival, done)
            return done
        for raw in items:
            try:
                self._accept(raw, kind, arrival, shared, done)
            except Rejected as rejected:
                self._reject(raw, kind, rejected, arrival, done)
        return done

    def _accept(self, raw: msgspec.Raw, kind: str, arrival: Arrival, shared: Shared, done: Collected) -> None:
        source, rules = arrival.source, self._rules
        payload, violations = self._plan.judge(source.name, read(raw, kind, shared, self.limits))
        call = payload.call
        found = extract.identifiers(payload, source, rules, self.limits.identifiers)
        message_id = self._new_id() if call.message_id is None or call.message_id == "" else str(call.message_id)
        previous = extract.previous(call, rules) if payload.kind == "alias" else ""
        group = extract.group(payload, rules) if payload.kind == "group" or "groupId" in payload.context else ""
        times = _times(call, shared, arrival)
        made = touchpoint(payload, arrival, rules.fingerprint, message_id, found, previous, group, times, violations)
        done.touchpoints.append(line(made))
        done.verdicts.append(Verdict(message_id, "accepted", violations=violations))
        done.keys.append(Recent.key(source.workspace, message_id, found[0]))

    def _reject(self, raw: msgspec.Raw, kind: str, why: Rejected, arrival: Arrival, done: Collected) -> None:
        message_id, hint = _look_again(raw, why)
        told: dict[str, Any] = {
            "code": why.code,
            "field": why.field,
            "expected": why.expected,
            "got": why.got,
            "hint": hint,
        }
        reason, text = str(why), _without_key(bytes(raw))[: self.limits.event_bytes].decode(errors="replace")
        refused = fast.RejectedItem(
            workspace=arrival.source.workspace,
            source=arrival.source.name,
            kind="webhook" if arrival.source.webhook else kind,
            received_at=arrival.received_at,
            message_id=message_id,
            reason=reason,
            raw=text,
            **told,
        )
        done.rejected.append(line(refused))
        done.verdicts.append(Verdict(message_id=message_id, status="rejected", reason=reason, **told))


def _times(call: Item, shared: Shared, arrival: Arrival) -> Stamps:
    original, sent_at = call.timestamp, shared.sent_at
    found = None if original is None else millis(original, "timestamp")
    if call.original_timestamp is not None:
        other = millis(call.original_timestamp, "originalTimestamp")
        found = other if found is None else found
    if call.sent_at is not None:
        sent_at = millis(call.sent_at, "sentAt") or sent_at
    if arrival.imported:  # it was sent long ago, and not to us: that says nothing about the sender's clock now
        return stamp(found, None, arrival.received_at, arrival.source.backdate)._replace(sent_at=sent_at)
    return stamp(found, sent_at, arrival.received_at, arrival.source.backdate)


def _without_key(raw: bytes) -> bytes:
    """The item as it is kept: the write key, which a single call may carry, is a secret, and many may read what was
    refused."""
    try:
        found = decode.keys(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw
    return fast.dumps(found) if found.pop("writeKey", None) is not None else raw


def _look_again(raw: msgspec.Raw, why: Rejected) -> tuple[str, str]:
    """The message id of a refused item, and a hint at what was meant; both empty when nothing can be said."""
    try:
        found = fast.loads(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "", why.hint
    if not isinstance(found, dict):
        return "", why.hint
    said = found.get("messageId")
    message_id = str(said)[:256] if isinstance(said, str | int) else ""
    wanted = ("userId", "anonymousId") if why.code == "no_identifier" else ()
    hints = [hint for name in wanted if (hint := meant(found, name))]
    return message_id, why.hint or " ".join(hints)
