"""The keys of what collectors write, read from the lines: one person's touchpoints are in one partition, in order."""

from collections.abc import Callable

import msgspec

from schemas.identifiers import profile_id


class _Anchored(msgspec.Struct):
    """What is looked at of a touchpoint."""

    workspace: str
    anchor: str


class _Sourced(msgspec.Struct):
    """What is looked at of a rejected item."""

    source: str


_anchored = msgspec.json.Decoder(_Anchored).decode
_sourced = msgspec.json.Decoder(_Sourced).decode


def _anchor_id(line: bytes) -> str:
    one = _anchored(line)
    return profile_id(one.workspace, one.anchor)


KEYS: dict[str, Callable[[bytes], str]] = {
    "touchpoints": _anchor_id,
    "rejected": lambda line: _sourced(line).source,
    "commands": lambda line: "",  # all of them in one partition: they are carried out in order
}
"""By topic, the key of a line."""
