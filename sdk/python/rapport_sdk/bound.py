"""Calls with defaults of their own, to be handed around: `ann = client.bind(user_id="ann")`."""

from __future__ import annotations

from typing import Any

from rapport_sdk.calls import Calls
from rapport_sdk.defaults import Defaults, Id, defaults


class Bound(Calls):
    """The same calls; what they leave open is filled from here, and then from `client.context()`."""

    def __init__(self, calls: Calls, about: Defaults):
        self._calls, self._about = calls, about

    def bind(self, *, user_id: Id | None = None, anonymous_id: Id | None = None, **context: Any) -> Bound:
        """These calls with more, or other, defaults."""
        return Bound(self, defaults(user_id, anonymous_id, context))

    def _defaults(self) -> Defaults:
        return self._about.over(self._calls._defaults())

    def _keep(self, made: dict[str, Any]) -> None:
        self._calls._keep(made)
