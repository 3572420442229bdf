"""GET /v1/streams/{topic}: every public topic as lines of JSON, for systems that have no Kafka."""

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from schemas.topics import TOPICS, Topic
from services.profile.definitions import Definitions
from services.runtime.streams.documents import Documents, documents_of
from services.runtime.streams.following import MOST, Following, Opened
from services.runtime.streams.reader import Gone, StreamReader

_WHAT = """
Each line is a record as a client of Kafka would see it: `{"position", "key", "value"}`. `value` is the message, byte
for byte (schemas/json has its JSON Schema); null is a tombstone: nothing is left under this key.
An empty line says that the stream lives. Keep the position of the last line you have dealt with, and come again with
it as `from` after any interruption. A stream may end at any time, like every connection.
"""
_COMPACTED = "Compacted: `beginning` is a snapshot, the newest document of every key, followed by what changes."
_KEPT = "`beginning` is the oldest message that is retained (30 days, RAPPORT_LOG_HOURS)."
_SWITCHED = "Empty unless the platform runs with RAPPORT_EVENTS=true."
_FROM = "`beginning`, `now`, or the position of the last line that was dealt with"
_FOLLOW = "false: end where the topic ends now, instead of waiting for more"
_GONE = "start again with from=beginning, and throw away what you have kept: it may hold what is no longer so"
_LINE = '{"position":"…","key":"p0123…","value":{"v":1,"workspace":"main","profile_id":"p0123…","version":7}}\n'
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Lines of JSON, as they come.", "content": {"application/x-ndjson": {"example": _LINE}}},
    400: {"description": "`from` is no position."},
    401: {"description": "Without the read key."},
    410: {"description": "Nobody knows what came after this position: start from the beginning, with an empty copy."},
    503: {"description": "Too many streams are open, or nothing can be read yet: try again after Retry-After seconds."},
}  # fmt: skip


class Lines(StreamingResponse):
    """A stream on its way; `closed` is called when it is over, however it ends."""

    def __init__(self, opened: Opened, closed: Callable[[], None]):
        headers = {"rapport-position": opened.position, "cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(opened.chunks, media_type="application/x-ndjson", headers=headers)
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the reader hangs up."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._closed()


def router(following: Following, definitions: Definitions, guard: Any) -> APIRouter:
    """One route for each public topic; `guard` is the dependency that lets a reader in or answers 401."""
    api = APIRouter(prefix="/v1/streams", tags=["Streams"], dependencies=[guard])
    for name, topic in TOPICS.items():
        if topic.public:
            about = f"{_KEPT if topic.retention else _COMPACTED} {_SWITCHED if name == 'events' else ''}\n{_WHAT}"
            route = _route(following, topic, documents_of(topic, definitions))
            api.add_api_route(
                f"/{name}", route, summary=f"Follow {name}", description=about, responses=_ANSWERS,
                response_class=Lines, status_code=200, operation_id=f"stream_{name}",
            )  # fmt: skip
    return api


def _route(following: Following, topic: Topic, documents: Documents | None) -> Callable[..., Awaitable[Lines]]:
    async def stream(
        start: Annotated[str, Query(alias="from", description=_FROM)] = "beginning",
        workspace: str = "main",
        follow: Annotated[bool, Query(description=_FOLLOW)] = True,
    ) -> Lines:
        if following.open >= MOST:
            raise _later("too_many_streams", f"{MOST} streams are open, which is all there may be; end one of them")
        following.open += 1
        try:
            opened = await _opened(following, StreamReader(topic, workspace, documents), start, follow)
        except BaseException:
            following.open -= 1
            raise
        return Lines(opened, lambda: setattr(following, "open", following.open - 1))

    return stream


async def _opened(following: Following, reader: StreamReader, start: str, follow: bool) -> Opened:
    try:
        return await following.start(reader, start, follow)
    except ValueError:
        message = f"from={start!r} is neither `beginning` nor `now` nor a position that a stream has given"
        raise HTTPException(400, {"code": "bad_position", "message": message}) from None
    except Gone as gone:
        raise HTTPException(410, {"code": "position_gone", "message": f"{gone}; {_GONE}"}) from None
    except sqlite3.Error as error:
        raise _later("not_ready", f"there is nothing to read yet ({error}): try again in a few seconds") from None


def _later(code: str, message: str) -> HTTPException:
    return HTTPException(503, {"code": code, "message": message}, {"retry-after": "5"})
