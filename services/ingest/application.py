"""Everything that the collector answers over HTTP, as one ASGI application.

The tracking API and the pixel come first and are raw; the rest goes to FastAPI: what browsers fetch, /docs (served
from the installed package, nothing is loaded from elsewhere), /openapi.json, /healthz, /readyz, /metrics, and the
routers of others.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.types import ASGIApp, Receive, Scope, Send
from swagger_ui_bundle import swagger_ui_path

from services.ingest import browser
from services.ingest.api import ROUTES, TrackingApp
from services.ingest.openapi import describe
from services.ingest.pixel import PIXELS, PixelApp
from services.ingest.weberrors import explain_errors

Ready = Callable[[], Sequence[str]]


def application(
    tracking: TrackingApp, routers: Sequence[APIRouter], ready: Ready, registry: CollectorRegistry
) -> ASGIApp:
    """The whole application. `ready` gives the reasons why the platform is not ready yet; none: it is."""
    web = FastAPI(title="Rapport", version="1", docs_url=None, redoc_url=None)
    for router in (browser.router(tracking.keys), *routers, _watched(ready, registry), _documented(web)):
        web.include_router(router)
    web.mount("/docs/static", StaticFiles(directory=str(swagger_ui_path)))
    explain_errors(web)
    own = web.openapi
    web.openapi = lambda: web.openapi_schema or describe(own(), ROUTES, PIXELS)  # type: ignore[method-assign]

    raw: dict[str, ASGIApp] = {**dict.fromkeys(ROUTES, tracking), **dict.fromkeys(PIXELS, PixelApp(tracking))}

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        first = raw.get(scope["path"]) if scope["type"] == "http" else None
        await (first or web)(scope, receive, send)

    return answer


def _watched(ready: Ready, registry: CollectorRegistry) -> APIRouter:
    """What those ask who watch the platform: does it live, is it ready, how is it doing."""
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz() -> Any:
        reasons = list(ready())
        return JSONResponse(
            {"status": "not ready" if reasons else "ready", "reasons": reasons}, 503 if reasons else 200
        )

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _documented(web: FastAPI) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def front() -> RedirectResponse:
        return RedirectResponse("/docs")

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{web.title} API",
            swagger_js_url="/docs/static/swagger-ui-bundle.js",
            swagger_css_url="/docs/static/swagger-ui.css",
            swagger_favicon_url="/docs/static/favicon-32x32.png",
        )

    return router
