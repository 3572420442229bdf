"""Which message ids an anchor has had: the de-duplication memory.

An id is 8 bytes of BLAKE2b and 3 bytes that say when it was received, packed into *pages* of at most 64 ids (704
bytes). The first page lies within the anchor's record. A full page is split into sixteen by the next four bits of the
hash, each a record of its own, so what one touchpoint costs does not grow with the ids that went before. A million
ids take 11 MB. Two ids in a page are mistaken for each other with a probability of 2^-64 per pair.

No id is ever dropped, though most are forgiven after the window: an import must find what came live before it, however
late, and a replay must come to the verdicts of the first time.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import msgspec

HOUR = 3_600_000
ENTRY = 11
MOST = 64  # ids in a page
_HOURS = (1 << 22) - 1  # hours since 1970 that fit: until the year 2448
_IMPORTED = 1 << 23


class Page(msgspec.Struct, tag="page", gc=False):
    """Some ids, or the word that they are in the sixteen pages below."""

    ids: bytes = b""
    split: bool = False


class Id(NamedTuple):
    """A message id as remembered. `imported` ones are never forgiven."""

    hash: bytes
    hour: int
    imported: bool

    def pack(self) -> bytes:
        """11 bytes."""
        return self.hash + (self.hour | self.imported * _IMPORTED).to_bytes(3, "big")


def hashed(message_id: str) -> bytes:
    """8 bytes that stand for a message id, the same on every machine."""
    return blake2b(message_id.encode(), digest_size=8).digest()


def made(message_id: str, received_at: int, imported: bool) -> Id:
    """What is remembered of a touchpoint."""
    return Id(hashed(message_id), min(received_at // HOUR, _HOURS), imported)


def below(key: str, hash: bytes) -> Iterator[str]:
    """The keys of the pages under the first one, on the way to this hash: one more hexadecimal digit each."""
    digits = hash.hex()
    for length in range(1, len(digits) + 1):
        yield f"{key}/{digits[:length]}"


def duplicate(page: Page, new: Id, window: int) -> bool:
    """Whether the page has the id: imported at any time, else received within `window` hours of it."""
    ids, at = page.ids, page.ids.find(new.hash)
    while at >= 0:
        if at % ENTRY == 0:
            word = int.from_bytes(ids[at + 8 : at + ENTRY], "big")
            if new.imported or word & _IMPORTED or abs((word & _HOURS) - new.hour) <= window:
                return True
        at = ids.find(new.hash, at + 1)
    return False


def remember(page: Page, new: Id) -> bool:
    """Put the id into the page. False when the page is full."""
    if len(page.ids) >= MOST * ENTRY:
        return False
    page.ids += new.pack()
    return True


def divide(page: Page, depth: int) -> dict[str, Page]:
    """Empty a full page into the pages below it, by hexadecimal digit number `depth` of the hash."""
    parts: dict[str, Page] = {}
    for entry in _entries(page.ids):
        parts.setdefault(entry[:8].hex()[depth], Page()).ids += entry
    page.ids, page.split = b"", True
    return parts


def _entries(ids: bytes) -> Iterator[bytes]:
    for at in range(0, len(ids), ENTRY):
        yield ids[at : at + ENTRY]
