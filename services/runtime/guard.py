"""Who may read profiles: whoever has a read key; without one configured, programs on this machine."""

import re
from collections.abc import Mapping
from hmac import compare_digest
from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException, Request

from services.runtime.settings import Settings

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_OWN_NAME = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_OWN_PAGE = ("none", "same-origin")


def reader(settings: Settings) -> Any:
    """The dependency that lets a reader in: with RAPPORT_READ_KEY into every workspace, with a key of RAPPORT_READ_KEYS
    into that one's."""

    # async, though it never waits: any other dependency costs each request a turn of the thread pool
    async def check(request: Request, authorization: Annotated[str, Header()] = "", workspace: str = "main") -> None:
        if settings.read_key or settings.read_keys:
            keys = [key for key in (settings.read_key, settings.read_keys.get(workspace)) if key]
            wanted = [f"Bearer {key.get_secret_value()}".encode() for key in keys]
            if any(compare_digest(authorization.encode(), one) for one in wanted):
                return
            message = f"send Authorization: Bearer <a read key of workspace {workspace!r}>"
            raise HTTPException(401, {"code": "unauthorized", "message": message})
        peer = request.client.host if request.client else ""
        if peer not in LOOPBACK or not is_program_here(request.headers):
            message = "only programs on this machine may read profiles until RAPPORT_READ_KEY is set"
            raise HTTPException(401, {"code": "unauthorized", "message": message})

    return Depends(check)


def is_program_here(headers: Mapping[str, str]) -> bool:
    """Whether a request that came from this machine is that of a program on it, and not of a web page elsewhere that
    is open in a browser here: it says so itself, or (DNS rebinding) it points a name of its own at this machine.

    The header is looked at as it is: `request.url` takes our own address in the place of a Host that is none.
    """
    page = headers.get("sec-fetch-site", "none")
    return page in _OWN_PAGE and _OWN_NAME.fullmatch(headers.get("host", "")) is not None
