"""Who may read profiles: whoever has the read key; without one configured, programs on this machine."""

from hmac import compare_digest
from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException, Request

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def reader(read_key: str | None) -> Any:
    """The dependency that lets a reader in. The Host header is checked too: a web page elsewhere that points a name
    of its own at this machine (DNS rebinding) is not a program on this machine."""

    def check(request: Request, authorization: Annotated[str, Header()] = "") -> None:
        if read_key is not None:
            if compare_digest(authorization.encode(), f"Bearer {read_key}".encode()):
                return
            raise HTTPException(401, {"code": "unauthorized", "message": "send Authorization: Bearer <read key>"})
        peer = request.client.host if request.client else ""
        host = request.url.hostname or ""
        if peer not in LOOPBACK or host not in LOOPBACK:
            message = "only programs on this machine may read profiles until RAPPORT_READ_KEY is set"
            raise HTTPException(401, {"code": "unauthorized", "message": message})

    return Depends(check)
