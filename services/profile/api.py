"""The profile API: one person by any of their identifiers or profile ids, and what they did, newest first.

The router gets its readers handed in: `People` answers from the state, `Timeline` from the warehouse.
"""

import base64
import binascii
import json
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from schemas.fast import Profile, dumps

PAGE = 50  # touchpoints of a timeline page when none is asked for
MOST = 1_000


class People(Protocol):
    """Where profiles are looked up."""

    def find(self, workspace: str, kind: str, value: str) -> Profile | None:
        """The person whom this identifier belongs to. Raises Rejected for a value that identifies nobody."""

    def get(self, workspace: str, profile_id: str) -> Profile | None:
        """The person who has this id now: after a merge the one it was merged into."""


class Timeline(Protocol):
    """Where touchpoints are looked up."""

    def page(
        self, workspace: str, anchors: tuple[str, ...], before: tuple[int, str] | None, limit: int
    ) -> list[dict[str, Any]]:
        """At most `limit` touchpoints of these anchors that come before (timestamp, message id), newest first."""


def router(people: People, timeline: Timeline, guard: Any) -> APIRouter:
    """The routes; `guard` is the dependency that lets a reader in or answers 401."""
    api = APIRouter(prefix="/v1/profiles", tags=["Profiles"], dependencies=[guard])

    @api.get("/by/{kind}/{value:path}", summary="Look a person up by an identifier")
    def by_identifier(kind: str, value: str, workspace: str = "main") -> Response:
        """`kind` is a type of identity.yaml (user_id, email, phone, anonymous_id …); the value is normalised first."""
        found = people.find(workspace, kind, value)
        return _profile(found) if found else _missing(f"nobody is known by {kind} {value!r} in workspace {workspace!r}")

    @api.get("/{profile_id}", summary="Look a person up by profile id")
    def by_id(profile_id: str, workspace: str = "main") -> Response:
        """Follows merges: `profile_id` in the answer is the id that the person has now."""
        found = people.get(workspace, profile_id)
        return _profile(found) if found else _missing(f"no profile has or had the id {profile_id!r}")

    @api.get("/{profile_id}/timeline", summary="What a person did, newest first")
    def touchpoints(
        profile_id: str, workspace: str = "main", before: str = "", limit: Annotated[int, Query(ge=1, le=MOST)] = PAGE
    ) -> Response:
        """`next` in the answer is the `before` of the page after it; null on the last one."""
        found = people.get(workspace, profile_id)
        if not found:
            return _missing(f"no profile has or had the id {profile_id!r}")
        try:
            start = _cursor(before) if before else None
        except ValueError:
            return _error(400, "bad_cursor", "`before` is not a `next` of an earlier page")
        items = timeline.page(workspace, tuple(found.identifiers), start, limit + 1)
        more = _next(items[limit - 1]) if len(items) > limit else None
        return JSONResponse({"profile_id": found.profile_id, "touchpoints": items[:limit], "next": more})

    return api


def _profile(found: Profile) -> Response:
    return Response(dumps(found), media_type="application/json")


def _missing(message: str) -> Response:
    return _error(404, "not_found", message)


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"code": code, "message": message}, status)


def _next(item: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([item["timestamp"], item["message_id"]]).encode()).decode()


def _cursor(text: str) -> tuple[int, str]:
    try:
        timestamp, message_id = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (binascii.Error, TypeError) as error:
        raise ValueError(text) from error
    if not isinstance(timestamp, int) or not isinstance(message_id, str):
        raise ValueError(text)
    return timestamp, message_id
