"""WeCom (企业微信) callbacks: external contacts and their messages. XML inside AES, signed with SHA-1 and a token.

The scheme is that of Tencent's samples (WXBizMsgCrypt). The signature is over the ciphertext, which is taken out of
the body as it stands: nothing reads XML before it is known to be WeCom's.
"""

import hmac
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from hashlib import sha1
from typing import Annotated, ClassVar, Literal
from urllib.parse import parse_qsl
from xml.etree.ElementTree import ParseError

from pydantic import Field

from services.ingest.webhooks.provider import Answer, Env, Event, Request, Secrets, Webhook, fresh

CONTACTS = {
    "add_external_contact": "WeCom Contact Added",
    "add_half_external_contact": "WeCom Contact Added",
    "edit_external_contact": "WeCom Contact Edited",
    "del_external_contact": "WeCom Contact Deleted",  # by the member of staff
    "del_follow_user": "WeCom Contact Left",  # the customer deleted the member of staff
    "transfer_fail": "WeCom Transfer Failed",
}
_ENCRYPTED = re.compile(rb"<Encrypt>\s*(?:<!\[CDATA\[)?([A-Za-z0-9+/=]+)(?:\]\]>)?\s*</Encrypt>")
_EXTERNAL = re.compile(r"w[mo][A-Za-z0-9_-]{20,}")  # an external contact's id; a member of staff has another
_BLOCK = 32
_HEAD = 20  # 16 random bytes and the length of the message


class WeCom(Webhook):
    """`token_env` and `aes_key_env` name the variables with Token and EncodingAESKey; `corp_id` is your 企业ID."""

    answer: ClassVar[Answer] = Answer(b"success")
    provider: Literal["wecom"]
    token_env: Env
    aes_key_env: Env
    corp_id: Annotated[str, Field(min_length=1, max_length=64)]

    def check(self, secrets: Secrets) -> None:
        """The EncodingAESKey has its 43 characters."""
        if len(secrets["aes_key"]) != 43 or not re.fullmatch("[A-Za-z0-9]+", secrets["aes_key"]):
            raise ValueError("expected the EncodingAESKey, 43 letters and digits")

    def opened(self, request: Request, secrets: Secrets) -> bytes:
        """The decrypted XML."""
        found = _ENCRYPTED.search(request.body)
        if found is None:
            raise ValueError("there is no <Encrypt>")
        return self._read(found[1].decode(), request, secrets)

    def challenge(self, request: Request, secrets: Secrets) -> bytes:
        """What is encrypted in echostr."""
        return self._read(_query(request)["echostr"], request, secrets)

    def items(self, content: bytes) -> Iterable[Mapping[str, str]]:
        """One message, one item: its elements by name."""
        from defusedxml.ElementTree import fromstring  # here for the reason that _decrypted tells

        try:
            root = fromstring(content.decode(), forbid_dtd=True)
        except ParseError as error:
            raise ValueError(f"the message is no XML: {error}") from None
        return [{str(element.tag): element.text or "" for element in root}]

    def event(self, item: Mapping[str, str]) -> Event:
        """The elements are the properties. What members of staff do names nobody, so it is rejected."""
        at, change = int(item["CreateTime"]), item.get("ChangeType", "")
        sender, contact = item.get("FromUserName", ""), item.get("ExternalUserID", "")
        if item.get("MsgType") == "event":
            name = CONTACTS.get(change, "WeCom Event")
            key = ":".join((item.get("UserID") or sender, contact, str(at), change or item.get("Event", "")))
        else:
            name, key = "WeCom Message Received", item["MsgId"]
            contact = contact or (sender if _EXTERNAL.fullmatch(sender) else "")
        who = (("wecom_external_userid", contact),) if contact else ()
        return Event(name, f"wecom:{key}", at * 1000, who, item)

    def _read(self, encrypted: str, request: Request, secrets: Secrets) -> bytes:
        """16 random bytes, length (4, big-endian), message, corp id; PKCS#7 to 32; AES-256-CBC, IV = key[:16]."""
        query = _query(request)
        signed = "".join(sorted((secrets["token"], query["timestamp"], query["nonce"], encrypted)))
        if not hmac.compare_digest(sha1(signed.encode()).hexdigest(), query["msg_signature"]):
            raise ValueError("the signature is not that of this message")
        fresh(query["timestamp"], request.at)
        plain = _decrypted(b64decode(secrets["aes_key"] + "="), b64decode(encrypted, validate=True))
        pad = plain[-1]
        end = _HEAD + int.from_bytes(plain[16:_HEAD], "big")
        whole = 1 <= pad <= _BLOCK and plain.endswith(bytes([pad]) * pad) and end <= len(plain) - pad
        if not whole or plain[end : len(plain) - pad] != self.corp_id.encode():
            raise ValueError("the message is for another corp id, or broken")
        return plain[_HEAD:end]


def _decrypted(key: bytes, encrypted: bytes) -> bytes:
    """AES-256-CBC. Imported here, because every command reads sources.yaml and few receive webhooks."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    cipher = Cipher(AES(key), CBC(key[:16])).decryptor()
    return cipher.update(encrypted) + cipher.finalize()


def _query(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.query, max_num_fields=50))
