"""The pixel: a call in the query of an image, for mails and pages without scripts.

GET /v1/pixel/track.gif?writeKey=…&event=…&anonymousId=… is the track call of those fields; a dot goes one level
deeper, as in `properties.plan=pro` or `context.campaign.source=news`. Every value is text. RudderStack's pixels,
GET /pixel/v1/{track,page}, say the same. The answer is always a GIF of one transparent pixel that nobody keeps: 200
says that the call is on disk, accepted or rejected; any other status, that nothing was kept.
"""

from typing import Any

import msgspec

from schemas import fast
from services.ingest.api import TrackingApp
from services.ingest.decode import Envelope
from services.ingest.http import CORS, Receive, Scope, Send, answer
from services.ingest.query import parameters
from services.ingest.refusal import Refusal

PIXELS = {f"/v1/pixel/{name}.gif": name for name in ("track", "page")}
PIXELS |= {f"/pixel/v1/{name}": name for name in ("track", "page")}
GIF = bytes.fromhex(
    "474946383961010001008000000000000000000021f90401000000002c00000000010001000002024401003b"
)  # 1x1, transparent
HEADERS = [(b"content-type", b"image/gif"), (b"cache-control", b"no-store, max-age=0"), *CORS]
_LEVELS = 8  # that dots may go down; what follows is part of the last name


class PixelApp:
    """The ASGI application of the paths in PIXELS, which are calls of the tracking API."""

    def __init__(self, tracking: TrackingApp):
        self._tracking = tracking

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request with the pixel."""
        try:
            if scope["method"] != "GET":
                raise Refusal(405, "method_not_allowed", "a pixel is fetched by GET")
            given = parameters(scope["query_string"], self._tracking.limits.event_bytes)
            source = self._tracking.source(given.pop("writeKey", ""), in_url=True)
            envelope = Envelope(batch=[msgspec.Raw(fast.dumps(call(given)))])
            await self._tracking.take(PIXELS[scope["path"]], envelope, source)
        except Refusal as refusal:
            status = refusal.status
        else:
            status = 200
        self._tracking.metrics.request(status)
        await answer(send, status, GIF, HEADERS)


def call(given: dict[str, str]) -> dict[str, Any]:
    """The fields of a call from the parameters of a query. Where two are in each other's way, the later one stands."""
    found: dict[str, Any] = {}
    for name, text in given.items():
        *path, last = name.split(".", _LEVELS)
        place = found
        for part in path:
            inner = place.get(part)
            if not isinstance(inner, dict):
                inner = place[part] = {}
            place = inner
        place[last] = text
    return found
