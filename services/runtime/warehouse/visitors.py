"""Who may ask: the user `reader`, from this machine without a password, from elsewhere only with one. And who may
write: the user `writer`, never without a password.

Three things keep a web page in the browser of this machine's owner out: its requests say that they come from another
site, they carry an Origin, or (DNS rebinding) a Host that is neither this machine's name nor an address.
"""

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Mapping

from pydantic import SecretStr

from services.errors import Rejected

USERS = frozenset({"", "default", "reader"})  # clients that are told no name send none, or `default`
WRITER = "writer"


class Visitors:
    """The rule, for one password or none of the reader; without one for the writer there is no writer."""

    def __init__(self, password: str = "", writer_password: str = ""):
        self._password, self._writer_password = password.encode(), writer_password.encode()

    def admit(self, peer: str, headers: Mapping[str, str], parameters: Mapping[str, str]) -> bool:
        """Whether this is the writer; False for a reader. Raises Rejected("login") for anybody else."""
        user, password = _credentials(headers, parameters)
        if user == WRITER and self._writer_password:
            if not hmac.compare_digest(password.encode(), self._writer_password):
                raise Rejected("login", "writer: the password is wrong", hint="RAPPORT_WRITER_PASSWORD has it")
            return True
        self._admit_reader(peer, headers, user, password)
        return False

    def _admit_reader(self, peer: str, headers: Mapping[str, str], user: str, password: str) -> None:
        if user == WRITER:
            raise Rejected("login", "writer: there is no such user here, because it has no password",
                           hint="set RAPPORT_WRITER_PASSWORD and start again")  # fmt: skip
        if user not in USERS:
            raise Rejected("login", f"{user[:60]}: there is no such user here", hint="the user is called reader")
        if self._password:
            if not hmac.compare_digest(password.encode(), self._password):
                raise Rejected("login", "reader: the password is wrong", hint="RAPPORT_READER_PASSWORD has it")
            return
        if not _is_loopback(peer):
            raise Rejected("login", "reader: without a password only this machine itself may ask",
                           hint="set RAPPORT_READER_PASSWORD and start again")  # fmt: skip
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") or "origin" in headers:
            raise Rejected("login", "web pages may not ask without a password")
        if not _is_own_name(headers.get("host", "")):
            raise Rejected("login", "the Host header must be localhost or an address", hint="use http://127.0.0.1")


def revealed(password: SecretStr | None) -> str:
    """A password of the settings, empty when there is none."""
    return password.get_secret_value() if password else ""


def _credentials(headers: Mapping[str, str], parameters: Mapping[str, str]) -> tuple[str, str]:
    """The name and password in ClickHouse's own headers, the Authorization header or the URL, in this order."""
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", ""), headers.get("x-clickhouse-key", "")
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Rejected("login", "the Authorization header is not Basic user:password in base64") from None
        return user, password
    if scheme:
        raise Rejected("login", "only Basic authorization is understood here")
    return parameters.get("user", ""), parameters.get("password", "")


def _is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


def _is_own_name(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
