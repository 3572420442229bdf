"""Which source is calling: write keys by Basic auth (as the user name) or in the body, compared in constant time."""

import binascii
import os
from base64 import b64decode
from collections.abc import Iterable
from hashlib import blake2b
from hmac import compare_digest

from services.errors import ConfigError
from services.ingest.sources import Source


class WriteKeys:
    """The sources by their write keys. What is looked up is a keyed digest, so timing tells nothing about a key."""

    def __init__(self, sources: Iterable[Source]):
        self._seed = os.urandom(16)
        self._sources: dict[bytes, Source] = {}
        for source in sources:
            if source.webhook:
                continue
            digest = self._digest(source.write_key)
            if digest in self._sources:
                other = self._sources[digest].name
                raise ConfigError([f"sources {other} and {source.name} have the same write_key; give each its own"])
            self._sources[digest] = source

    def find(self, key: object) -> Source | None:
        """The source with this write key, or None."""
        if not isinstance(key, str) or not key.isascii():
            return None
        source = self._sources.get(self._digest(key))
        return source if source and compare_digest(source.write_key, key) else None

    def _digest(self, key: str) -> bytes:
        return blake2b(key.encode(), digest_size=16, key=self._seed).digest()


def basic(header: bytes) -> str:
    """The user name of a Basic Authorization header; empty when it is something else."""
    scheme, _, credentials = header.partition(b" ")
    if scheme.lower() != b"basic":
        return ""
    try:
        return b64decode(credentials.strip(), validate=True).decode("ascii").partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
