"""What web pages fetch from the collector: our own script, and what Segment's browser SDK asks besides sending calls.

The SDK gets its settings from GET /v1/projects/{writeKey}/settings. They tell it to send to where the settings came
from, and to send no statistics of its own: without them it would, and to Segment.
"""

import gzip
import re
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from services.ingest.keys import WriteKeys

SCRIPT = Path(__file__).parents[2] / "sdk" / "web" / "rapport.min.js"
_ANY = {"Access-Control-Allow-Origin": "*"}
_HOUR = {"Cache-Control": "public, max-age=3600, stale-while-revalidate=86400", "Vary": "Accept-Encoding"}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The Host header names no host to send to."},
    404: {"description": "No source has this write key, or a trusted one has it, whose key is a secret."},
}
_HOST = re.compile(r"[\w.\-:\[\]]{1,255}", re.ASCII)


def router(keys: WriteKeys) -> APIRouter:
    """The routes, for the sources of these keys. Every origin may read their answers, which are no secrets."""
    routes = APIRouter(tags=["tracking"])

    @routes.get("/v1/projects/{write_key}/settings", summary="Settings of Segment's browser SDK", responses=_REFUSALS)
    async def settings(write_key: str, request: Request) -> Response:
        source = keys.find(write_key)
        if source is None or source.trusted:
            raise HTTPException(404, _unsettled(source is not None), _ANY)
        return JSONResponse(_settings(write_key, request), headers={**_ANY, "Cache-Control": "private, max-age=300"})

    @routes.post("/v1/m", include_in_schema=False)
    async def statistics() -> Response:
        """Of itself; nobody reads them here."""
        return Response(status_code=204, headers=_ANY)

    _serve_script(routes)
    return routes


def _settings(write_key: str, request: Request) -> dict[str, Any]:
    """Send to the host and by the protocol that brought this request here, also through a proxy that speaks TLS."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise HTTPException(400, {"code": "invalid_host", "message": "the Host header names no host"}, _ANY)
    forwarded = request.headers.get("x-forwarded-proto") == "https"
    protocol = "https" if forwarded else request.scope["scheme"]
    sending = {"apiKey": write_key, "apiHost": f"{host}/v1", "protocol": protocol}
    return {"integrations": {"Segment.io": sending}, "plan": {}, "metrics": {"sampleRate": 0}}


def _unsettled(trusted: bool) -> dict[str, str]:
    if trusted:
        message = "this write key belongs to a trusted source and must not be in a browser: use one of a source for web"
        return {"code": "trusted_key", "message": message}
    return {"code": "unknown_key", "message": "the write key is not known: config/sources.yaml has those that are"}


def _serve_script(routes: APIRouter) -> None:
    plain = SCRIPT.read_bytes()
    small = gzip.compress(plain, mtime=0)
    etag = f'W/"{blake2b(plain, digest_size=8).hexdigest()}"'

    @routes.api_route("/rapport.js", methods=["GET", "HEAD"], include_in_schema=False)
    async def script(request: Request) -> Response:
        headers = {**_ANY, **_HOUR, "ETag": etag}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(small, headers=headers | {"Content-Encoding": "gzip"}, media_type="text/javascript")
        return Response(plain, headers=headers, media_type="text/javascript")
