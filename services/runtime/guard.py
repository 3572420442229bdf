"""Who may read profiles: whoever has a read key; without one configured, programs on this machine."""

from hmac import compare_digest
from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException, Request

from services.runtime.settings import Settings

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def reader(settings: Settings) -> Any:
    """The dependency that lets a reader in: with RAPPORT_READ_KEY into every workspace, with a key of RAPPORT_READ_KEYS
    into that one's.

    The Host header is checked too: a web page elsewhere that points a name of its own at this machine (DNS rebinding)
    is not a program on this machine."""

    def check(request: Request, authorization: Annotated[str, Header()] = "", workspace: str = "main") -> None:
        if settings.read_key or settings.read_keys:
            keys = [key for key in (settings.read_key, settings.read_keys.get(workspace)) if key]
            wanted = [f"Bearer {key.get_secret_value()}".encode() for key in keys]
            if any(compare_digest(authorization.encode(), one) for one in wanted):
                return
            message = f"send Authorization: Bearer <a read key of workspace {workspace!r}>"
            raise HTTPException(401, {"code": "unauthorized", "message": message})
        peer = request.client.host if request.client else ""
        host = request.url.hostname or ""
        if peer not in LOOPBACK or host not in LOOPBACK:
            message = "only programs on this machine may read profiles until RAPPORT_READ_KEY is set"
            raise HTTPException(401, {"code": "unauthorized", "message": message})

    return Depends(check)
