"""What comes back of an e-mail: /m/o/… the pixel, /m/c/… a click, /m/u/… an unsubscription. Each becomes a touchpoint.

The tokens are our own (services/automation/links.py). One-click unsubscription is RFC 8058: the mail program POSTs, and
is answered without a redirect, a cookie or a question. A GET never unsubscribes anybody, because programs that look for
harmful links fetch every address in a mail; people get a page with a button.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from schemas import fast
from schemas.identifiers import split
from services.automation.links import About, Kind, Links
from services.ingest.api import TrackingApp
from services.ingest.decode import Envelope
from services.ingest.pixel import GIF
from services.ingest.refusal import Refusal
from services.ingest.sources import Source
from services.runtime.mail_back import pages

SOURCE = "rapport"  # what touchpoints of our own are called
_EVENTS: dict[Kind, str] = {
    "open": "Email Opened", "click": "Email Link Clicked", "unsubscribe": "Email Unsubscribed",
}  # fmt: skip
_UNCACHED = {"cache-control": "no-store, max-age=0", "x-robots-tag": "noindex", "referrer-policy": "no-referrer"}


def router(tracking: TrackingApp, clock: Callable[[], int], links: Links) -> APIRouter:
    """The routes. `clock` gives epoch milliseconds."""
    api = APIRouter(prefix="/m", include_in_schema=False)
    loop = _Loop(tracking, clock)

    @api.get("/o/{token}")
    async def opened(token: str) -> Response:
        about = links.read("open", token.removesuffix(".gif"))
        if about is not None:
            await loop.keep(about)
        return Response(GIF, media_type="image/gif", headers=_UNCACHED)

    @api.get("/c/{token}")
    async def clicked(token: str, request: Request) -> Response:
        about = links.read("click", token)
        if about is None:
            return _unknown(request)
        await loop.keep(about)
        return RedirectResponse(about.url, 302, headers=_UNCACHED)

    @api.get("/u/{token}")
    async def asked(token: str, request: Request) -> Response:
        about = links.read("unsubscribe", token)
        if about is None:
            return _unknown(request)
        return HTMLResponse(pages.question(_language(request), bool(about.purpose)), headers=_UNCACHED)

    @api.post("/u/{token}")
    async def unsubscribed(token: str, request: Request, whole: Annotated[str, Query(alias="all")] = "") -> Response:
        about = links.read("unsubscribe", token)
        if about is None:
            return _unknown(request)
        kept = await loop.keep(msgspec.structs.replace(about, purpose="") if whole else about)
        if not kept:
            return PlainTextResponse("nothing could be kept now: try again in a minute", 503, {"retry-after": "60"})
        return HTMLResponse(pages.done(_language(request)), headers=_UNCACHED)

    return api


class _Loop:
    """Makes touchpoints of what came back."""

    def __init__(self, tracking: TrackingApp, clock: Callable[[], int]):
        self._tracking, self._clock = tracking, clock

    async def keep(self, about: About) -> bool:
        """Bring it onto the disk. False when that cannot be done now: who follows a link goes on all the same."""
        source = Source(
            name=SOURCE, write_key="-", workspace=about.workspace, channel="email", trusted=True
        )  # it is no key of anybody: this source is not among those that are looked up
        call = msgspec.Raw(fast.dumps(_call(about, self._clock())))
        try:
            await self._tracking.take("track", Envelope(batch=[call]), source)
        except Refusal:
            return False
        return True


def _call(about: About, now: int) -> dict[str, Any]:
    """A track call. Several of one kind within a second are one: a pixel is often fetched twice. So are unsubscriptions
    within a minute, which mail programs try again; whoever says yes again after one can take that back."""
    kind, value = split(about.anchor)
    place = blake2b(f"{about.purpose} {about.url}".encode(), digest_size=6).hexdigest()
    span = 60_000 if about.kind == "unsubscribe" else 1_000
    properties = {"rule": about.rule, "step": about.step, "send": about.send}
    properties |= {name: said for name, said in (("purpose", about.purpose), ("url", about.url)) if said}
    return {
        "event": _EVENTS[about.kind],
        "messageId": f"mail/{about.kind}/{about.send}/{place}/{now // span}",
        "properties": properties,
        "context": {"externalIds": [{"type": kind, "id": value, "collection": "users"}]},
    }


def _language(request: Request) -> str:
    return "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"


def _unknown(request: Request) -> Response:
    return HTMLResponse(pages.unknown(_language(request)), 404, headers=_UNCACHED)
