"""What SendGrid, Twilio and WeCom would send, signed as they sign, with keys made for this run."""

import hmac
import json
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha1
from typing import Any, NamedTuple
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FORM = "application/x-www-form-urlencoded"


class Callback(NamedTuple):
    """One POST: query, headers, body."""

    query: str
    headers: dict[str, str]
    body: bytes


class SendGridKey:
    """A key pair like the one that SendGrid makes. `public` is what its settings show."""

    def __init__(self) -> None:
        self._key: EllipticCurvePrivateKey = generate_private_key(SECP256R1())
        spki = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public = b64encode(spki).decode()

    def posted(self, events: Sequence[Mapping[str, Any]], at: int) -> Callback:
        """A batch, at epoch seconds; CRLF stands between the events and at the end."""
        return self.signed(b"[" + b",\r\n".join(json.dumps(event).encode() for event in events) + b"]\r\n", at)

    def signed(self, body: bytes, at: int) -> Callback:
        """Any body at all."""
        signature = b64encode(self._key.sign(str(at).encode() + body, ECDSA(SHA256()))).decode()
        name = "X-Twilio-Email-Event-Webhook"
        return Callback("", {f"{name}-Signature": signature, f"{name}-Timestamp": str(at)}, body)


def twilio(token: str, url: str, form: Mapping[str, str]) -> Callback:
    """A form posted to this URL."""
    told = url + "".join(name + form[name] for name in sorted(form))
    signature = b64encode(hmac.digest(token.encode(), told.encode(), "sha1")).decode()
    return Callback("", {"X-Twilio-Signature": signature, "Content-Type": FORM}, urlencode(form).encode())


class WeComKeys(NamedTuple):
    """Token and EncodingAESKey, as WeCom's settings show them, and the corp id."""

    token: str
    aes_key: str
    corp_id: str

    @classmethod
    def made(cls, corp_id: str) -> "WeComKeys":
        """New ones. The last character of the key has only four bits that count."""
        return cls(secrets.token_hex(12), secrets.token_hex(21) + "A", corp_id)

    def posted(self, message: str, at: int) -> Callback:
        """A message in XML, at epoch seconds."""
        encrypted = self.encrypted(message.encode())
        body = (
            f"<xml><ToUserName><![CDATA[{self.corp_id}]]></ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        )
        return Callback(self.query(encrypted, at), {"Content-Type": "text/xml"}, body.encode())

    def query(self, encrypted: str, at: int, **more: str) -> str:
        """The query that signs a ciphertext."""
        nonce = secrets.token_hex(5)
        signature = sha1("".join(sorted((self.token, str(at), nonce, encrypted))).encode()).hexdigest()
        return urlencode({"msg_signature": signature, "timestamp": str(at), "nonce": nonce, **more})

    def encrypted(self, message: bytes) -> str:
        """16 random bytes, length, message, corp id; PKCS#7 to 32; AES-256-CBC; base64."""
        plain = os.urandom(16) + len(message).to_bytes(4, "big") + message + self.corp_id.encode()
        pad = 32 - len(plain) % 32
        key = b64decode(self.aes_key + "=")
        cipher = Cipher(AES(key), CBC(key[:16])).encryptor()
        return b64encode(cipher.update(plain + bytes([pad]) * pad) + cipher.finalize()).decode()
