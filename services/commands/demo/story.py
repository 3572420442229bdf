"""One story, told live: Mei looks around, logs in, orders. Plain HTTP and Segment's own Python client tell it.

Everything is sent twice, as a client would whose answers got lost. Every message has an id of its own that never
changes, so telling the story again, today or after a restart, is telling nothing new.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import httpx
from segment.analytics import Client

from services.commands.reach import ask
from services.errors import RapportError

VISITOR = "demo-visitor-1"
CUSTOMER = "demo-mei"
EMAIL = "mei.lin@example.com"
ORDER = "demo-order-1"
_LOOKED_AT = ("Kind of Blue", "Blue Train", "Time Out")


class Told(NamedTuple):
    """What the collector answered to the calls over plain HTTP, first and second time: the statuses, in order."""

    first: tuple[str, ...]
    second: tuple[str, ...]


def visits() -> list[dict[str, Any]]:
    """Before the log-in: a landing page and three records, by somebody of whom only a cookie is known."""
    page = {"type": "page", "name": "Home", "messageId": "demo-visit-0", "properties": {"path": "/"}}
    views = [
        {"type": "track", "event": "Product Viewed", "messageId": f"demo-visit-{n}", "properties": {"name": name}}
        for n, name in enumerate(_LOOKED_AT, 1)
    ]
    return [call | {"anonymousId": VISITOR} for call in (page, *views)]


def browse(http: httpx.Client, write_key: str) -> Told:
    """Send the visits over plain HTTP, each twice."""
    first = tuple(_verdict(http, write_key, call) for call in visits())
    return Told(first, tuple(_verdict(http, write_key, call) for call in visits()))


def _verdict(http: httpx.Client, write_key: str, call: dict[str, Any]) -> str:
    answer = ask(http, "POST", f"/v1/{call['type']}", json=call, auth=(write_key, ""))
    return str(answer["items"][0]["status"])


def log_in_and_order(url: str, website: str, shop: str) -> None:
    """The log-in, told by the website's server, and the order, told by the shop's; each with Segment's client, twice.

    Raises RapportError with what the client says when it could not deliver.
    """
    for _ in range(2):
        with_client(url, website, [("identify", _log_in())])
        with_client(url, shop, [("track", _order())])


def with_client(url: str, write_key: str, calls: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Make these calls with segment-analytics-python, as it comes from PyPI: only `host` is another."""
    problems: list[str] = []
    client = Client(write_key, host=url, max_retries=3, on_error=lambda error, _: problems.append(str(error)))
    for name, arguments in calls:
        getattr(client, name)(**arguments)
    client.shutdown()
    if problems:
        raise RapportError(f"Segment's client could not deliver to {url}: {problems[0]}")


def _log_in() -> dict[str, Any]:
    traits = {"name": "Mei Lin", "email": EMAIL, "consent": {"email": True}}
    return {"user_id": CUSTOMER, "anonymous_id": VISITOR, "traits": traits, "message_id": "demo-log-in"}


def _order() -> dict[str, Any]:
    properties = {"order_id": ORDER, "total": 41.97, "currency": "USD", "quantity": 3}
    return {"user_id": CUSTOMER, "event": "Order Completed", "properties": properties, "message_id": ORDER}
