"""Which keys there are in Redis, and what lies under them.

    rapport:{fold/3}:meta      hash: `token` (the fence), and `at:<topic>` per input topic: the offset to read next
    rapport:{fold/3}:records   hash: a record's key → msgpack
    rapport:{fold/3}:wakeups   sorted set: `<due, 16 digits>/<key>` by due, so those of one instant lie by their keys
    rapport:{about}            hash: what all workers share (about.py)

What stands in braces decides the slot of Redis Cluster: a stage and partition lies in one, so one script may write all.
"""

from typing import NamedTuple

from services.processor import Wakeup

PREFIX = "rapport"
TOKEN = "token"
AT = "at:"
NOW = "now"  # the watermark that is no topic's: the instant (epoch ms) that a stage has come to in its partition


class Keys(NamedTuple):
    """The keys of one stage and partition."""

    meta: str
    records: str
    wakeups: str


def keys(prefix: str, stage: str, partition: int) -> Keys:
    """Where the state of this stage and partition lies."""
    return Keys(*(f"{prefix}:{{{stage}/{partition}}}:{kind}" for kind in Keys._fields))


def about(prefix: str) -> str:
    """Where that lies what all workers share."""
    return f"{prefix}:{{about}}"


def member(wakeup: Wakeup) -> str:
    """A wake-up as a member of the sorted set."""
    return f"{wakeup.due:016d}/{wakeup.key}"


def wakeup(member: bytes) -> Wakeup:
    """The wake-up of a member."""
    due, _, key = member.partition(b"/")
    return Wakeup(int(due), key.decode())
