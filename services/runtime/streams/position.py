"""Where a reader of a stream goes on, as text that it hands back to us.

A position names the stream that it belongs to: the topic, the workspace, and the life of the file that holds them. So
one of another stream, or of a platform that was set up anew, is told apart from one of this stream.
"""

import re
from hashlib import blake2b
from typing import NamedTuple

_TEXT = re.compile(r"([0-9a-f]{16})-(\d{1,18})-(\d{1,18})-(-?\d{1,18})(?:-(\w{0,128}))?", re.ASCII)


class Place(NamedTuple):
    """The next thing to read: line `line` (from 0) of frame `offset`. `at` (epoch ms; -1: none) is when the frame of
    the line before that one came, by which a log that has been set back is recognised.

    Inside a snapshot `after` is the key up to which it has been read, and the rest of the place is where the topic
    ended when the snapshot began. Else `after` is None.
    """

    offset: int
    line: int = 0
    at: int = -1
    after: str | None = None


def stream(topic: str, workspace: str, incarnation: str) -> str:
    """The name of a stream in its positions."""
    return blake2b(f"{topic}\0{workspace}\0{incarnation}".encode(), digest_size=8).hexdigest()


def text(name: str, place: Place) -> str:
    """The position of the stream `name`, as a reader sees it; it can stand in a URL as it is."""
    inside = "" if place.after is None else f"-{place.after}"
    return f"{name}-{place.offset}-{place.line}-{place.at}{inside}"


def read(position: str) -> tuple[str, Place]:
    """The stream's name and the place. Raises ValueError for what is no position."""
    found = _TEXT.fullmatch(position)
    if found is None:
        raise ValueError("not a position")
    name, offset, line, at, after = found.groups()
    return name, Place(int(offset), int(line), int(at), after)
