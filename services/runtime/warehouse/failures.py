"""Errors as ClickHouse's HTTP interface says them: a code, its name, and a text that begins with them."""

import re
from typing import NamedTuple

from services.errors import Rejected

VERSION_TRAILER = re.compile(r" \(version [0-9.]+\)")
_CODE = re.compile(r"Code: (\d+)\. DB::Exception: (?:Code: \1\. DB::Exception: )?")
_STATUS = {46: 404, 47: 404, 60: 404, 62: 400, 81: 404, 159: 408, 164: 403, 167: 413, 202: 503, 497: 403, 516: 403}
_REFUSED = {
    "syntax": (62, "SYNTAX_ERROR"),
    "empty": (62, "SYNTAX_ERROR"),
    "several": (62, "SYNTAX_ERROR"),
    "readonly": (164, "READONLY"),
    "denied": (497, "ACCESS_DENIED"),
    "format": (73, "UNKNOWN_FORMAT"),
    "setting": (452, "SETTING_CONSTRAINT_VIOLATION"),
    "database": (81, "UNKNOWN_DATABASE"),
    "large": (167, "QUERY_IS_TOO_LARGE"),
    "result": (396, "TOO_MANY_ROWS_OR_BYTES"),
    "busy": (202, "TOO_MANY_SIMULTANEOUS_QUERIES"),
    "login": (516, "AUTHENTICATION_FAILED"),
}


class Failure(NamedTuple):
    """What the client is told."""

    status: int
    code: int
    text: str


def of_rejected(error: Rejected) -> Failure:
    """What the interface itself refused."""
    code, name = _REFUSED[error.code]
    hint = f" ({error.hint})" if error.hint else ""
    return Failure(_STATUS.get(code, 400), code, f"Code: {code}. DB::Exception: {error.reason}{hint}. ({name})\n")


def of_engine(error: Exception) -> Failure:
    """What ClickHouse refused, in its own words."""
    text = str(error)
    found = _CODE.search(text)
    if found is None:
        return Failure(500, 1002, f"Code: 1002. DB::Exception: {text}. (UNKNOWN_EXCEPTION)\n")
    code = int(found.group(1))
    said = VERSION_TRAILER.sub("", text[found.end() :])
    return Failure(_STATUS.get(code, 500), code, f"Code: {code}. DB::Exception: {said}\n")
