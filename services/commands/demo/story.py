"""One story, told live: Mei looks around, logs in, orders. Plain HTTP and Segment's own Python client tell it; what
she does afterwards by e-mail, telephone and WeCom, `channels.py` tells.

Everything is sent twice, as a client would whose answers got lost. Every message has an id of its own that never
changes, so telling the story again, today or after a restart, is telling nothing new.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
from segment.analytics import Client

from services.commands.reach import ask
from services.errors import RapportError

VISITOR = "demo-visitor-1"
CUSTOMER = "demo-mei"
EMAIL = "mei.lin@example.com"
PHONE = "+8613800138000"
CONTACT = "wmDemoMeiLin0AAAAAAAAAAAAAAAAAAA"  # as WeCom calls her
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


def log_in(url: str, write_key: str) -> None:
    """Mei logs in, with the cookie she browsed with, and says that she may be written to. Told twice.

    The shop knows her telephone number, and as whom its staff know her in WeCom.
    """
    traits = {"name": "Mei Lin", "email": EMAIL, "phone": PHONE, "consent": {"email": True}}
    known = {
        "externalIds": [{"id": CONTACT, "type": "wecom_external_userid", "collection": "users", "encoding": "none"}]
    }
    with segment(url, write_key) as client:
        for _ in range(2):
            client.identify(CUSTOMER, traits, known, anonymous_id=VISITOR, message_id="demo-log-in")


def order(url: str, write_key: str) -> None:
    """She orders the three records; the shop's server knows her by her customer number only. Told twice."""
    properties = {"order_id": ORDER, "total": 41.97, "currency": "USD", "quantity": 3}
    with segment(url, write_key) as client:
        for _ in range(2):
            client.track(CUSTOMER, "Order Completed", properties, message_id=ORDER)


@contextmanager
def segment(url: str, write_key: str) -> Iterator[Client]:
    """segment-analytics-python as it comes from PyPI: only `host` is another. All is delivered when it is left.

    Raises RapportError with what the client says when it could not deliver.
    """
    problems: list[str] = []
    client = Client(write_key, host=url, max_retries=3, on_error=lambda error, _: problems.append(str(error)))
    yield client
    client.shutdown()
    if problems:
        raise RapportError(f"Segment's client could not deliver to {url}: {problems[0]}")
