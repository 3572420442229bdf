"""The six calls, as programs write them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rapport_sdk import event as checked
from rapport_sdk.defaults import Defaults, Id, identifier

Object = Mapping[str, Any]


class Calls:
    """Every call keeps one event and returns its message id, by which the platform knows it if it comes twice.

    All take who it is about (`user_id`, `anonymous_id`; text, whole number or UUID), `context` (what was around it:
    page, campaign, device, ip, externalIds…, as Segment's), `timestamp` (when it happened, with a time zone; now, if
    left out) and `message_id` (made here, if left out). Raises TypeError and ValueError for wrong arguments and
    QueueFull when the buffer is full.
    """

    def track(
        self,
        event: str,
        *,
        user_id: Id | None = None,
        anonymous_id: Id | None = None,
        properties: Object | None = None,
        context: Object | None = None,
        timestamp: datetime | None = None,
        message_id: str | None = None,
    ) -> str:
        """A customer did something: `track("Order Completed", user_id="ann", properties={"total": 41.97})`."""
        fields = {
            "event": checked.name("event", event, required=True),
            "properties": checked.mapping("properties", properties),
        }
        return self._call("track", user_id, anonymous_id, context, timestamp, message_id, fields)

    def identify(
        self,
        *,
        user_id: Id | None = None,
        anonymous_id: Id | None = None,
        traits: Object | None = None,
        context: Object | None = None,
        timestamp: datetime | None = None,
        message_id: str | None = None,
    ) -> str:
        """Who a customer is: `identify(user_id="ann", traits={"email": "ann@example.com"})`."""
        fields = {"traits": checked.mapping("traits", traits)}
        return self._call("identify", user_id, anonymous_id, context, timestamp, message_id, fields)

    def page(
        self,
        name: str | None = None,
        *,
        category: str | None = None,
        user_id: Id | None = None,
        anonymous_id: Id | None = None,
        properties: Object | None = None,
        context: Object | None = None,
        timestamp: datetime | None = None,
        message_id: str | None = None,
    ) -> str:
        """A customer saw a page."""
        fields = _view(name, category, properties)
        return self._call("page", user_id, anonymous_id, context, timestamp, message_id, fields)

    def screen(
        self,
        name: str | None = None,
        *,
        category: str | None = None,
        user_id: Id | None = None,
        anonymous_id: Id | None = None,
        properties: Object | None = None,
        context: Object | None = None,
        timestamp: datetime | None = None,
        message_id: str | None = None,
    ) -> str:
        """A customer saw a screen of an app."""
        fields = _view(name, category, properties)
        return self._call("screen", user_id, anonymous_id, context, timestamp, message_id, fields)

    def group(
        self,
        group_id: Id,
        *,
        user_id: Id | None = None,
        anonymous_id: Id | None = None,
        traits: Object | None = None,
        context: Object | None = None,
        timestamp: datetime | None = None,
        message_id: str | None = None,
    ) -> str:
        """A customer belongs to an account; `traits` are the account's."""
        fields = {"groupId": _required("group_id", group_id), "traits": checked.mapping("traits", traits)}
        return self._call("group", user_id, anonymous_id, context, timestamp, message_id, fields)

    def alias(
        self,
        previous_id: Id,
        *,
        user_id: Id | None = None,
        context: Object | None = None,
        timestamp: datetime | None = None,
        message_id: str | None = None,
    ) -> str:
        """Two ids belong to one customer: `previous_id` until now, `user_id` from now on."""
        if user_id is None:
            user_id = _required("user_id", self._defaults().user_id)
        fields = {"previousId": _required("previous_id", previous_id)}
        return self._call("alias", user_id, None, context, timestamp, message_id, fields)

    def _call(
        self,
        kind: str,
        user_id: Id | None,
        anonymous_id: Id | None,
        context: Object | None,
        timestamp: datetime | None,
        message_id: str | None,
        fields: Object,
    ) -> str:
        said = Defaults(
            identifier("user_id", user_id),
            identifier("anonymous_id", anonymous_id),
            checked.mapping("context", context) or {},
        )
        made = checked.made(kind, said.over(self._defaults()), timestamp, message_id, fields)
        self._keep(made)
        return str(made["messageId"])

    def _defaults(self) -> Defaults:
        raise NotImplementedError

    def _keep(self, made: dict[str, Any]) -> None:
        raise NotImplementedError


def _view(name: str | None, category: str | None, properties: Object | None) -> Object:
    return {
        "name": checked.name("name", name),
        "category": checked.name("category", category),
        "properties": checked.mapping("properties", properties),
    }


def _required(argument: str, value: Id | None) -> str:
    text = identifier(argument, value)
    if text is None:
        raise ValueError(f"{argument} is missing: it must be text, a whole number or a UUID")
    return text
