"""The tracking API, compatible with Segment's: POST /v1/{track,identify,page,screen,group,alias,batch,import}.

Raw ASGI, because this is the hot path: there is no framework between the bytes and the log. An answer of 200 says
that every accepted item is on disk and what became of each. Routes of one letter are those of Segment's browser SDK,
/beacon/v1/batch is RudderStack's. The content type does not matter: a beacon is text/plain.
"""

from collections.abc import Callable, Sequence
from math import ceil
from typing import Protocol

import msgspec

from schemas import fast
from services.errors import Retry
from services.ingest import decode
from services.ingest.bucket import Bucket
from services.ingest.collect import Collected, Collector, Verdict
from services.ingest.decode import Envelope
from services.ingest.http import PREFLIGHT, Gone, Receive, Scope, Send, answer, body, refuse
from services.ingest.keys import WriteKeys, basic
from services.ingest.metrics import IngestMetrics
from services.ingest.payload import Arrival
from services.ingest.plan.judging import CODE
from services.ingest.query import parameters
from services.ingest.recent import Recent
from services.ingest.refusal import Refusal
from services.ingest.segment import CALLS
from services.ingest.sources import Limits, Source

ROUTES: dict[str, str] = {f"/v1/{name}": name for name in (*CALLS, "batch", "import")}
ROUTES |= {f"/v1/{name[0]}": name for name in (*CALLS, "batch")}
ROUTES["/beacon/v1/batch"] = "batch"
_MANY = ("batch", "import")
_AMPLIFIED = 8  # a batch with the context that it gives to each item may be so many times as large as a batch
_KEY = (
    "send the source's write key by Basic auth (as the user name, with an empty password) or as `writeKey` in the "
    "body; a source that is not trusted may put it into the query"
)
_IN_URL = (
    "this is the write key of a trusted source, which is a secret, and URLs end up in logs: send it by Basic auth, or "
    "use the key of a source that is not trusted"
)


class Journal(Protocol):
    """The way onto the log."""

    async def append(self, touchpoints: Sequence[bytes], rejected: Sequence[bytes]) -> None:
        """Return when these lines are on disk. Raises Retry when they cannot be made durable now."""


class Report(msgspec.Struct):
    """The answer to a request in order: how many of its items became what, and each item's verdict."""

    accepted: int
    duplicates: int
    rejected: int
    items: list[Verdict]
    success: bool = True


class TrackingApp:
    """The ASGI application of the tracking API. `clock` gives epoch milliseconds."""

    def __init__(
        self,
        collector: Collector,
        keys: WriteKeys,
        journal: Journal,
        clock: Callable[[], int],
        recent: Recent,
        metrics: IngestMetrics,
    ):
        self.keys, self.metrics, self.limits = keys, metrics, collector.limits
        self._collector, self._journal, self._clock, self._recent = collector, journal, clock, recent
        self._buckets: dict[str, Bucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request to a path of ROUTES."""
        if scope["method"] == "OPTIONS":
            await answer(send, 204, b"", PREFLIGHT)
            return
        try:
            if scope["method"] != "POST":
                raise Refusal(405, "method_not_allowed", "send a POST request")
            data = await self._post(ROUTES[scope["path"]], scope, receive)
        except Gone:
            return
        except Refusal as refusal:
            self.metrics.request(refusal.status)
            await refuse(send, refusal)
        else:
            self.metrics.request(200)
            await answer(send, 200, data)

    async def _post(self, name: str, scope: Scope, receive: Receive) -> bytes:
        """The answer to a request that is in order, once everything is on disk; raises Refusal for any other."""
        limits, headers = self.limits, dict(scope["headers"])
        text = await body(
            receive, headers, limits.batch_bytes if name in _MANY else limits.event_bytes, limits.body_seconds
        )
        source = self._sender(headers.get(b"authorization"), scope["query_string"])
        envelope = opened(name, text, limits)
        return await self.take(name, envelope, source or self.source(envelope.write_key))

    async def take(self, name: str, envelope: Envelope, source: Source) -> bytes:
        """Judge the calls of a source, bring them onto the disk, and report. `name` is a value of ROUTES.

        Raises Refusal when the source sends too fast, or when nothing can be kept now.
        """
        now = self._clock()
        self._admit(source, len(envelope.batch), now)
        arrival = Arrival(source, now, envelope.context, envelope.sent_at, name == "import")
        done = self._collector.collect(envelope.batch, "" if name in _MANY else name, arrival)
        with self.metrics.seconds.time():
            await self._keep(done)
        return self._report(done, source)

    def source(self, key: object, in_url: bool = False) -> Source:
        """The source with this write key. Raises Refusal when there is none, or when a secret key stands in a URL."""
        source = self.keys.find(key)
        if source is None:
            what = "the write key is not known" if key else "there is no write key"
            raise Refusal(401, "unauthorized", f"{what}: {_KEY}")
        if in_url and source.trusted:
            raise Refusal(401, "unauthorized", _IN_URL)
        return source

    def _sender(self, authorization: bytes | None, query: bytes) -> Source | None:
        """The source that the headers name, or else the query; None when neither does."""
        if authorization:
            return self.source(basic(authorization))
        key = parameters(query, self.limits.event_bytes).get("writeKey") if query else None
        return None if key is None else self.source(key, in_url=True)

    def _admit(self, source: Source, events: int, now: int) -> None:
        if source.rate is None:
            return
        bucket = self._buckets.get(source.name)
        if bucket is None:
            bucket = self._buckets[source.name] = Bucket(source.rate, now)
        wait = bucket.take(events, now)
        if wait:
            allowed = f"source {source.name} may send {source.rate.per_second:g} events a second"
            raise Refusal(429, "too_fast", f"{allowed}: send it again in {wait} seconds", wait)

    async def _keep(self, done: Collected) -> None:
        """Bring everything onto the disk, then say which accepted items were known already, and remember the others.

        Duplicates go to the log like all others, because only the fold knows for certain.
        """
        try:
            await self._journal.append(done.touchpoints, done.rejected)
        except Retry as retry:
            message = f"nothing was kept, send it again later: {retry}"
            raise Refusal(503, "not_durable", message, max(1, ceil(retry.after))) from retry
        accepted = (verdict for verdict in done.verdicts if verdict.status == "accepted")
        for verdict, key in zip(accepted, done.keys, strict=True):
            if key in self._recent:
                verdict.status = "duplicate"
            else:
                self._recent.add(key)

    def _report(self, done: Collected, source: Source) -> bytes:
        rejected = len(done.rejected)
        duplicates = sum(verdict.status == "duplicate" for verdict in done.verdicts)
        accepted = len(done.touchpoints) - duplicates
        for verdict, count in (("accepted", accepted), ("duplicate", duplicates), ("rejected", rejected)):
            self.metrics.items(source.name, verdict, count)
        for item in done.verdicts:
            if item.violations or item.code == CODE:
                self.metrics.violations.labels(source.name, "accepted" if item.violations else "rejected").inc()
        return fast.dumps(Report(accepted=accepted, duplicates=duplicates, rejected=rejected, items=done.verdicts))


def opened(name: str, text: bytes, limits: Limits) -> Envelope:
    """The body of a request as an envelope; a single call is its only item. Raises Refusal when it is no such thing."""
    try:
        if name not in _MANY:
            return Envelope(batch=[msgspec.Raw(text)], write_key=decode.single(text).write_key)
        envelope = decode.envelope(text)
    except msgspec.ValidationError as error:
        shape = "an object with a list of calls in `batch`" if name in _MANY else f"one {name} call, which is an object"
        raise Refusal(400, "invalid_body", f"the body must be {shape}: {error}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refusal(400, "invalid_json", f"the body is no JSON that can be read: {error}") from None
    events, context = len(envelope.batch), len(bytes(envelope.context))
    if events > limits.batch_events:
        message = f"the batch has {events} events; at most {limits.batch_events} are accepted"
        raise Refusal(413, "too_many_events", message)
    if events * context > _AMPLIFIED * limits.batch_bytes:
        message = f"the batch's context of {context} bytes is too large for {events} events: put it into fewer"
        raise Refusal(413, "too_large", message)
    return envelope
