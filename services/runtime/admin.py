"""What `rapport restore`, `rapport replay` and `rapport resend` ask of a running platform.

Guarded by a key that is made at each start and lies in run.json, which only the platform's user can read. Orders for
the engine travel the log (topic `commands`), so they are carried out once, in order, and a crash does not lose them.
"""

from collections.abc import Callable, Mapping, Sequence
from hmac import compare_digest
from types import MappingProxyType
from typing import Annotated, Any, Literal, Protocol

import msgspec
from fastapi import APIRouter, Depends, Header, HTTPException, Request
from pydantic import BaseModel, Field, ValidationError

from schemas import fast

MOST = 16 * 1024 * 1024  # bytes of one restore body
MOST_ORDER = 16 * 1024  # bytes of an order
ROWS = 500  # ledger rows in one order


class Journal(Protocol):
    """The way onto the log."""

    async def put(self, lines: Mapping[str, Sequence[bytes]]) -> None:
        """Return when these lines, by topic, are durable. Raises Retry when that cannot be now."""


class Order(BaseModel):
    """An order for the engine."""

    command: Literal["rebuild", "resend", "backfill"]
    argument: str = Field("", max_length=2_000)
    who: str = Field(min_length=1, max_length=200)


def router(
    journal: Journal, clock: Callable[[], int], admin_key: str, refused: Mapping[str, str] = MappingProxyType({})
) -> APIRouter:
    """The routes under /v1/admin. `refused` are the orders that are answered 501, each with why and what to do."""

    def guard(authorization: Annotated[str, Header()] = "") -> None:
        if not compare_digest(authorization.encode(), f"Bearer {admin_key}".encode()):
            raise HTTPException(401, {"code": "unauthorized", "message": "this needs the admin key in run.json"})

    api = APIRouter(prefix="/v1/admin", dependencies=[Depends(guard)], include_in_schema=False)
    decode = msgspec.json.Decoder(fast.Touchpoint).decode

    def order(command: Any, argument: str, who: str) -> bytes:
        return fast.dumps(fast.Command(workspace="main", command=command, argument=argument, who=who, at=clock()))

    @api.post("/restore")
    async def restore(request: Request) -> dict[str, int]:
        """Append exported touchpoints with their stamps; they count as restored. All of the body, or nothing."""
        lines = []
        for number, line in enumerate(await _lines(request), 1):
            try:
                lines.append(fast.dumps(msgspec.structs.replace(decode(line), restored=True)))  # type: ignore[type-var]
            except msgspec.DecodeError as error:
                raise HTTPException(400, _bad(number, "an exported touchpoint", error)) from error
        await journal.put({"touchpoints": lines})
        return {"restored": len(lines)}

    @api.post("/ledger")
    async def ledger(request: Request) -> dict[str, int]:
        """Hand exported rows of the ledger to the engine, before any touchpoint that is restored after them."""
        lines = await _lines(request)
        for number, line in enumerate(lines, 1):
            try:
                msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.DecodeError as error:
                raise HTTPException(400, _bad(number, "a row of an exported ledger", error)) from error
        chunks = [b"\n".join(lines[at : at + ROWS]).decode() for at in range(0, len(lines), ROWS)]
        await journal.put({"commands": [order("restore-ledger", chunk, "restore") for chunk in chunks]})
        return {"restored": len(lines)}

    @api.post("/commands", status_code=202)
    async def commands(request: Request) -> dict[str, str]:
        """Put an order on the log."""
        try:
            asked = Order.model_validate_json(await _body(request, MOST_ORDER))
        except ValidationError as error:
            raise HTTPException(400, {"code": "bad_order", "message": str(error)}) from None
        if asked.command in refused:
            raise HTTPException(501, {"code": "not_built", "message": refused[asked.command]})
        await journal.put({"commands": [order(asked.command, asked.argument, asked.who)]})
        return {"status": "ordered"}

    return api


async def _lines(request: Request) -> list[bytes]:
    """The body's lines. Raises 413 beyond MOST bytes."""
    return [line for line in (await _body(request, MOST)).split(b"\n") if line]


async def _body(request: Request, most: int) -> bytes:
    """The body, which only those are asked for who have the key: a parameter of FastAPI's would be read before that,
    however long it is. Raises 413 beyond `most` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, {"code": "too_large", "message": f"send at most {most} bytes at a time"})
    return bytes(body)


def _bad(number: int, expected: str, error: Exception) -> dict[str, str]:
    return {"code": "bad_line", "message": f"line {number} is not {expected}: {error}"}
