"""The routes /v1/webhooks/{source}: what every provider has in common.

The bytes are read within bounds and kept as they came. The provider's file says whether they are genuine, before
anything is made of them; any exception there means no. What then comes out are calls like all others, with the same
limits, identity rules and verdicts. It is answered when they are on disk.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple, TypeVar

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse, Response

from schemas import fast
from services.errors import Rejected, Retry
from services.ingest.api import Journal, TrackingApp
from services.ingest.decode import Envelope
from services.ingest.http import Gone, raw
from services.ingest.refusal import Refusal
from services.ingest.sources import Source
from services.ingest.touchpoint import line
from services.ingest.webhooks import provider
from services.ingest.webhooks.calls import calls
from services.ingest.webhooks.provider import Answer, Secrets, Webhook

LARGEST = 4 * 1024 * 1024  # bytes of one request: Meta sends up to 3 MB
Found = TypeVar("Found")
PATH = "/v1/webhooks/{source}"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What the provider wants to hear.",
        "content": {kind: {"schema": {"type": "string"}} for kind in ("text/plain", "text/xml")},
    },
    401: {"description": "The signature (or the token of a handshake) is not there or not right; nothing was kept."},
    404: {"description": "There is no source of this name with a webhook."},
    405: {"description": "The provider has no handshake: only POST is expected."},
    408: {"description": "The body did not arrive in time; nothing was kept."},
    413: {"description": "The body is larger than 4 MB, or has too many events; nothing was kept."},
    429: {"description": "The source sends faster than its `rate`; nothing was kept."},
    503: {"description": "A secret is not in the environment, or nothing can be kept now: send it again later."},
}


class Address(NamedTuple):
    """A source with a webhook, and its secrets; `lacks` says what is wrong with those, else it is empty."""

    source: Source
    webhook: Webhook
    secrets: Secrets
    lacks: str


def addresses(sources: Sequence[Source], environment: Mapping[str, str]) -> dict[str, Address]:
    """The sources with a webhook by name, with their secrets from the environment."""
    return {source.name: _address(source, source.webhook, environment) for source in sources if source.webhook}


def router(
    tracking: TrackingApp, journal: Journal, clock: Callable[[], int], known: Mapping[str, Address]
) -> APIRouter:
    """The routes. `clock` gives epoch milliseconds."""
    api, receiver = APIRouter(tags=["webhooks"]), Receiver(tracking, journal, clock, known)

    @api.get(PATH, operation_id="webhook_handshake", responses=_ANSWERS, response_class=PlainTextResponse)
    async def handshake(source: str, request: Request) -> Response:
        """A provider tries the address: it is told what it wants to hear, if it knows the token."""
        return await receiver.answered(source, request, receiver.challenged)

    @api.post(PATH, operation_id="webhook", responses=_ANSWERS, response_class=PlainTextResponse)
    async def webhook(source: str, request: Request) -> Response:
        """A provider's events, signed: when it is answered, they are on disk, accepted or rejected with a reason."""
        return await receiver.answered(source, request, receiver.taken)

    return api


class Receiver:
    """Takes requests of the known addresses."""

    def __init__(self, tracking: TrackingApp, journal: Journal, clock: Callable[[], int], known: Mapping[str, Address]):
        self._tracking, self._journal, self._clock, self._known = tracking, journal, clock, known

    async def answered(
        self, name: str, request: Request, by: Callable[[Address, Request], Awaitable[Answer]]
    ) -> Response:
        """The answer that `by` gives at this address, or why there is none."""
        try:
            answer = await by(self._address(name), request)
        except Gone:
            return Response(status_code=400)  # which nobody hears
        except Refusal as refusal:
            self._tracking.metrics.request(refusal.status)
            later = {"retry-after": str(refusal.retry_after)} if refusal.retry_after else None
            raise HTTPException(refusal.status, {"code": refusal.code, "message": str(refusal)}, later) from None
        self._tracking.metrics.request(200)
        return Response(answer.body, 200, {"x-content-type-options": "nosniff"}, answer.media_type)

    async def challenged(self, address: Address, request: Request) -> Answer:
        """The answer to a handshake. Raises Refusal."""
        given = self._given(request, b"")
        told = _genuine(lambda: address.webhook.challenge(given, address.secrets))
        if told is None:
            raise Refusal(405, "method_not_allowed", "send a POST request")
        return Answer(told)

    async def taken(self, address: Address, request: Request) -> Answer:
        """Bring the request's events onto the disk. Raises Refusal or Gone."""
        body = await raw(request.receive, LARGEST, self._tracking.limits.body_seconds)
        given = self._given(request, body)
        content = _genuine(lambda: address.webhook.opened(given, address.secrets))
        found = calls(address.webhook, content, self._tracking.limits.batch_events)
        if found.good:
            await self._tracking.take("batch", Envelope(batch=found.good), address.source)
        if found.refused:
            room = self._tracking.limits.event_bytes
            await self._keep(address.source, [_rejected(address.source, given.at, room, *one) for one in found.refused])
        return address.webhook.answer

    async def _keep(self, source: Source, lines: list[bytes]) -> None:
        try:
            await self._journal.append([], lines)
        except Retry as retry:
            message = f"nothing of this was kept, send it again later: {retry}"
            raise Refusal(503, "not_durable", message, max(1, ceil(retry.after))) from retry
        self._tracking.metrics.items(source.name, "rejected", len(lines))

    def _address(self, name: str) -> Address:
        address = self._known.get(name)
        if address is None:
            raise Refusal(404, "not_found", f"there is no source {name[:64]!r} with a `webhook` in sources.yaml")
        if address.lacks:
            raise Refusal(503, "not_ready", f"source {name} cannot tell who is calling: {address.lacks}", 60)
        return address

    def _given(self, request: Request, body: bytes) -> provider.Request:
        query = request.scope["query_string"].decode("latin-1")  # request.url would look at Host, and raise on some
        return provider.Request(request.headers, query, body, self._clock())


def _address(source: Source, webhook: Webhook, environment: Mapping[str, str]) -> Address:
    secrets = {name: environment.get(variable, "") for name, variable in webhook.variables.items()}
    if missing := [variable for name, variable in webhook.variables.items() if not secrets[name]]:
        return Address(source, webhook, secrets, f"{', '.join(missing)} must be set in the environment")
    try:
        webhook.check(secrets)
    except ValueError as wrong:
        return Address(source, webhook, secrets, f"{', '.join(webhook.variables.values())}: {wrong}")
    return Address(source, webhook, secrets, "")


def _genuine(decide: Callable[[], Found]) -> Found:
    """What the provider's file makes of a request. Raises Refusal when it is not the provider's."""
    try:
        return decide()
    except Exception:  # noqa: BLE001 (libraries raise anything on hostile input, and all of it means no)
        raise Refusal(401, "unauthorized", "the signature is not there, or not right") from None


def _rejected(source: Source, at: int, most: int, text: bytes, why: Rejected) -> bytes:
    item = fast.RejectedItem(
        workspace=source.workspace,
        source=source.name,
        kind="webhook",
        received_at=at,
        code=why.code,
        expected=why.expected,
        reason=why.reason,
        raw=text[:most].decode(errors="replace"),
    )
    return line(item)
