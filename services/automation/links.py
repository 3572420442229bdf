"""Links of an e-mail that lead back to us: the pixel of an opening, a clicked link, an unsubscription.

A link carries a token that only we can make and read (AES-SIV, RFC 5297: deterministic, so that the same follow-up is
the same message). It says for whom, of which follow-up and, for a click, where to go: there is no open redirect, no
address stands in a URL, and nothing has to be looked up or kept for as long as a mail may lie in a mailbox.
"""

import base64
import binascii
from hashlib import blake2b
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from schemas.fast import Action

LONGEST = 8_192  # characters of a token
SHORTEST_SECRET = 24  # characters

Kind = Literal["open", "click", "unsubscribe"]
_PATHS: dict[Kind, str] = {"open": "o", "click": "c", "unsubscribe": "u"}
_PURPOSE = b"rapport mail links 1"  # the same secret may be used for something else: then with other words here


class About(msgspec.Struct, frozen=True, array_like=True):
    """What a token says. `send` names the follow-up (a digest of its key), `anchor` the person, `purpose` is that of
    the e-mail; `url` is where a click goes."""

    kind: Kind
    workspace: str
    send: str
    rule: str
    step: int
    anchor: str
    purpose: str = ""
    url: str = ""


class Links(msgspec.Struct, frozen=True):
    """Makes and reads links. `base` is our public address, without a slash at its end; `key` comes from `key_of`."""

    base: str
    key: bytes

    def link(self, about: About) -> str:
        """The whole address."""
        sealed = AESSIV(self.key).encrypt(msgspec.json.encode(about), None)
        token = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
        return f"{self.base}/m/{_PATHS[about.kind]}/{token}"

    def read(self, kind: Kind, token: str) -> About | None:
        """What a token of this kind says; None for one that we have not made."""
        if len(token) > LONGEST:
            return None
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            about = msgspec.json.decode(AESSIV(self.key).decrypt(sealed, None), type=About)
        except (InvalidTag, ValueError, binascii.Error, msgspec.DecodeError):
            return None
        return about if about.kind == kind else None


class Back(msgspec.Struct, frozen=True):
    """The ways back from one e-mail. `about` says whom it is sent to and why."""

    links: Links
    about: About

    def opened(self) -> str:
        """The address of the pixel."""
        return self.links.link(msgspec.structs.replace(self.about, kind="open")) + ".gif"

    def clicked(self, url: str) -> str:
        """The address that leads to `url` by way of us."""
        return self.links.link(msgspec.structs.replace(self.about, kind="click", url=url))

    def unsubscribed(self) -> str:
        """Where the person says no to more of these."""
        return self.links.link(msgspec.structs.replace(self.about, kind="unsubscribe"))


def back(links: Links | None, action: Action, purpose: str) -> Back | None:
    """The ways back from the e-mail of an action; None where links are not made."""
    if links is None:
        return None
    send = send_name(action.key)
    return Back(links, About("open", action.workspace, send, action.rule, action.step, action.anchor, purpose))


def key_of(secret: str) -> bytes:
    """The key that a secret stands for. Raises ValueError for one that is too short to be a secret."""
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"a secret of {SHORTEST_SECRET} characters or more is needed, such as 32 random ones")
    return blake2b(secret.encode(), digest_size=64, key=_PURPOSE).digest()


def send_name(key: str) -> str:
    """A short name of a follow-up, made of its send key: what touchpoints about its e-mail carry."""
    return blake2b(key.encode(), digest_size=12).hexdigest()
