"""What can go wrong, and how a program hears of it.

RapportError
├── QueueFull      raised by a call: the event was not kept, because the buffer or the disk is full
└── Undelivered    raised by flush(): not everything was answered in time; it is still in the buffer

A wrong argument is a TypeError or a ValueError, raised by the call at once. What the platform refuses later is a
Rejection, given to `on_error`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("rapport_sdk")


class RapportError(Exception):
    """Every error that this package raises on purpose, apart from wrong arguments."""


class QueueFull(RapportError):
    """The event was not kept. Try again later, or give the client a larger buffer."""


class Undelivered(RapportError):
    """Not everything was answered in time. It is still in the buffer, and is sent as soon as that is possible."""


@dataclass(frozen=True)
class Rejection:
    """One event that was not taken, and will not be sent again: the platform's verdict.

    `event` is the call as it was sent. `code` is stable, for programs (`buffer_full` when the client itself dropped
    it); `field`, `expected`, `got` and `hint` say what would be right, where the platform can tell.
    """

    event: Mapping[str, Any]
    code: str
    reason: str
    field: str = ""
    expected: str = ""
    got: str = ""
    hint: str = ""

    @property
    def message_id(self) -> str:
        """The id that the call returned."""
        return str(self.event.get("messageId", ""))
