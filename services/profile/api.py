"""The profile API: one person by any of their identifiers or profile ids, and what they did, newest first.

The router gets its readers handed in: `People` answers from the state, `Timeline` from the warehouse.
"""

import base64
from typing import Annotated, Any, NamedTuple, Protocol

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from schemas import wire
from schemas.fast import Profile, dumps

PAGE = 50  # touchpoints of a timeline page when none is asked for
MOST = 1_000
LONGEST = 6_000  # characters of `next`, which holds an id and an identifier

WRONG = "The value identifies nobody, whoever it is: it is not of its type, or there is no such type."
REFUSED: dict[int | str, dict[str, Any]] = {
    401: {"description": "Without a read key of this workspace."},
    404: {"description": "There is nobody, and nothing, of this name in this workspace."},
}
LATER: dict[int | str, dict[str, Any]] = {503: {"description": "The warehouse does not answer now: try again later."}}
_TIMELINE = LATER | {400: {"description": "`before` is not a `next` of an earlier page."}}
_PROFILE: dict[int | str, dict[str, Any]] = {200: {"model": wire.Profile, "description": "The profile as it is now."}}

_Millis = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class People(Protocol):
    """Where profiles are looked up."""

    def find(self, workspace: str, kind: str, value: str) -> Profile | None:
        """The person whom this identifier belongs to. Raises Rejected for a value that identifies nobody."""

    def get(self, workspace: str, profile_id: str) -> Profile | None:
        """The person who has this id now: after a merge the one it was merged into."""


class AccountsOf(Protocol):
    """Where accounts are looked up."""

    def account(self, workspace: str, group: str) -> Profile | None:
        """The account of this group id."""


class Place(NamedTuple):
    """Where a touchpoint stands on a timeline. Never two in one: the same message id may be under several anchors, and
    under one anchor again when the first was received long before."""

    timestamp: _Millis
    message_id: str
    anchor: str
    received_at: _Millis


class Timeline(Protocol):
    """Where touchpoints are looked up."""

    def page(self, workspace: str, anchors: tuple[str, ...], before: Place | None, limit: int) -> list[dict[str, Any]]:
        """At most `limit` touchpoints of these anchors that come before this place, newest first."""


def router(people: People, timeline: Timeline, guard: Any) -> APIRouter:
    """The routes; `guard` is the dependency that lets a reader in or answers 401."""
    api = APIRouter(prefix="/v1/profiles", tags=["Profiles"], dependencies=[guard], responses=REFUSED)

    @api.get(
        "/by/{kind}/{value:path}",
        summary="Look a person up by an identifier",
        responses=_PROFILE | {400: {"description": WRONG}},
    )
    def by_identifier(kind: str, value: str, workspace: str = "main") -> Response:
        """`kind` is a type of identity.yaml (user_id, email, phone, anonymous_id …); the value is normalised first."""
        found = people.find(workspace, kind, value)
        return _profile(found) if found else _missing(f"nobody is known by {kind} {value!r} in workspace {workspace!r}")

    @api.get("/{profile_id}", summary="Look a person up by profile id", responses=_PROFILE)
    def by_id(profile_id: str, workspace: str = "main") -> Response:
        """Follows merges: `profile_id` in the answer is the id that the person has now."""
        found = people.get(workspace, profile_id)
        return _profile(found) if found else _missing(f"no profile has or had the id {profile_id!r}")

    @api.get("/{profile_id}/timeline", summary="What a person did, newest first", responses=_TIMELINE)
    def touchpoints(
        profile_id: str,
        workspace: str = "main",
        before: Annotated[str, Query(max_length=LONGEST)] = "",
        limit: Annotated[int, Query(ge=1, le=MOST)] = PAGE,
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


def accounts_router(accounts: AccountsOf, guard: Any) -> APIRouter:
    """The route of accounts; `guard` is the dependency that lets a reader in or answers 401."""
    api = APIRouter(prefix="/v1/accounts", tags=["Profiles"], dependencies=[guard], responses=REFUSED)

    @api.get("/{group_id:path}", summary="Look an account up by its group id", responses=_PROFILE)
    def by_group_id(group_id: str, workspace: str = "main") -> Response:
        """The company or group that `group` calls tell of. Its people are in ClickHouse: `account_people`."""
        found = accounts.account(workspace, group_id)
        return _profile(found) if found else _missing(f"there is no account {group_id!r} in workspace {workspace!r}")

    return api


def _profile(found: Profile) -> Response:
    return Response(dumps(found), media_type="application/json")


def _missing(message: str) -> Response:
    return _error(404, "not_found", message)


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"code": code, "message": message}, status)


def _next(item: dict[str, Any]) -> str:
    place = Place(*(item[name] for name in Place._fields))
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _cursor(text: str) -> Place:
    """Raises ValueError for what is none."""
    return msgspec.json.decode(base64.urlsafe_b64decode(text.encode()), type=Place)
