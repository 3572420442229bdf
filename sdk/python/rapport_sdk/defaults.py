"""What holds for many calls: who it is about, and the context that each event carries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union
from uuid import UUID

Id = Union[str, int, UUID]
ID_LENGTH = 512


@dataclass(frozen=True)
class Defaults:
    """Laid under what a call says itself. An id is None when it is not known."""

    user_id: str | None = None
    anonymous_id: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)

    def over(self, below: Defaults) -> Defaults:
        """These, and what they leave open from `below`. Contexts are joined key by key."""
        return Defaults(
            below.user_id if self.user_id is None else self.user_id,
            below.anonymous_id if self.anonymous_id is None else self.anonymous_id,
            {**below.context, **self.context} if below.context else self.context,
        )


NONE = Defaults()


def defaults(user_id: Id | None, anonymous_id: Id | None, context: Mapping[str, Any]) -> Defaults:
    """Checked defaults; the context's keys are as Python writes them: user_agent becomes userAgent."""
    named = {re.sub(r"_([a-z])", lambda match: match[1].upper(), key): value for key, value in context.items()}
    return Defaults(identifier("user_id", user_id), identifier("anonymous_id", anonymous_id), named)


def identifier(name: str, value: Id | None) -> str | None:
    """An id as text. Raises TypeError or ValueError when it can be nobody's."""
    if value is None or (type(value) is str and 0 < len(value) <= ID_LENGTH):
        return value
    if isinstance(value, bool) or not isinstance(value, (str, int, UUID)):
        raise TypeError(f"{name} is {type(value).__name__} {value!r:.80}: it must be text, a whole number or a UUID")
    text = str(value)
    if not 0 < len(text) <= ID_LENGTH:
        raise ValueError(f"{name} has {len(text)} characters: it must have 1 to {ID_LENGTH}, or be left out")
    return text
