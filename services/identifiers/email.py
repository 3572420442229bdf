"""One way of writing an e-mail address."""

import re
from unicodedata import normalize

import idna

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")
_LOCAL = re.compile(r"[^\s@\"(),:;<>\[\\\]]{1,64}")
_LONGEST = 254  # RFC 5321: a path of 256 characters with its angle brackets


def email(text: str, region: str) -> str | None:
    """The address in lower case with its domain as IDNA 2008 (UTS 46), or None when it is no address.

    Lower-casing the local part is a convention of every mail provider, not of RFC 5321. Quoted local parts, domains
    without a dot and addresses over 254 characters are no addresses here. `region` is not used.
    """
    local, _, domain = normalize("NFC", text.lower()).rpartition("@")
    if not _LOCAL.fullmatch(local) or len(domain) > _LONGEST:
        return None
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except UnicodeError:
            return None
    if not _DOMAIN.fullmatch(domain) or len(local) + 1 + len(domain) > _LONGEST:
        return None
    return f"{local}@{domain}"
