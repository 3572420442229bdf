"""What a person said to being written to: the answers that hold now, and the newest entries of the ledger."""

from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from schemas.fast import loads
from services.profile.api import LATER, REFUSED, People

ENTRIES = 50  # when nothing else is asked for
MOST = 1_000


class ConsentLedger(Protocol):
    """Where every answer is kept that was ever given."""

    def newest(self, workspace: str, anchors: tuple[str, ...], limit: int) -> list[dict[str, Any]]:
        """At most `limit` answers that were given under these identifiers, newest first."""


def router(people: People, ledger: ConsentLedger, guard: Any) -> APIRouter:
    """The route; `guard` is the dependency that lets a reader in or answers 401."""
    api = APIRouter(prefix="/v1/profiles", tags=["Profiles"], dependencies=[guard], responses=REFUSED | LATER)

    @api.get("/{profile_id}/consent", summary="What a person consents to, and the proof")
    def consent(
        profile_id: str, workspace: str = "main", limit: Annotated[int, Query(ge=1, le=MOST)] = ENTRIES
    ) -> Response:
        """`consent` has the answers that hold now, by channel or channel/purpose; `ledger` the newest that were given,
        with who told them, when, from which source (and how far that is trusted) and the proof."""
        found = people.get(workspace, profile_id)
        if not found:
            message = f"no profile has or had the id {profile_id!r}"
            return JSONResponse({"code": "not_found", "message": message}, 404)
        entries = ledger.newest(workspace, tuple(found.identifiers), limit)
        return JSONResponse({"profile_id": found.profile_id, "consent": loads(found.consent), "ledger": entries})

    return api
