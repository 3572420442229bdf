"""Errors of everything that goes through FastAPI, in the same shape as the tracking API's: `code` and `message`."""

from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from services.errors import Rejected, Retry


def explain_errors(web: FastAPI) -> None:
    """Answer HTTPException, Rejected (as 400), Retry (503) and parameters that cannot be read (422) with `code` and
    `message`.

    An HTTPException whose detail is a dictionary of the two is answered with it; else the status names the code.
    """
    web.add_exception_handler(HTTPException, _refused)
    web.add_exception_handler(Rejected, _rejected)
    web.add_exception_handler(Retry, _later)
    web.add_exception_handler(RequestValidationError, _misread)


async def _refused(_: Request, error: Any) -> JSONResponse:
    if isinstance(error.detail, dict):
        return JSONResponse(error.detail, error.status_code, error.headers)
    phrase = HTTPStatus(error.status_code).phrase
    message = f"{phrase}: /docs lists what there is" if error.detail == "Not Found" else error.detail
    code = phrase.lower().replace(" ", "_")
    return JSONResponse({"code": code, "message": message}, error.status_code, error.headers)


async def _rejected(_: Request, error: Any) -> JSONResponse:
    return JSONResponse({"code": error.code, "message": str(error)}, 400)


async def _later(_: Request, error: Any) -> JSONResponse:
    told = {"code": "not_now", "message": f"{error}: try again later"}
    return JSONResponse(told, 503, {"retry-after": str(max(1, ceil(error.after)))})


async def _misread(_: Request, error: Any) -> JSONResponse:
    wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return JSONResponse({"code": "invalid_request", "message": wrong}, 422)
