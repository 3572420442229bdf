"""CDNOW's customers: real purchases of 1997 and 1998, read from the data set's text and told as Segment calls.

The data: P. Fader and B. Hardie, "Forecasting Repeat Sales at CDNOW" (2001). One row is one purchase: customer, date
(yyyymmdd), number of CDs, dollars. 255 rows are byte-identical to others and are real purchases of the same day, so
the message id comes from the number of the row.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from msgspec import Raw

from services.errors import Rejected

EVENT = "Order Completed"


class Purchase(NamedTuple):
    """One row. `dollars` is the number as the file writes it ("11.77"); `row` counts from 1."""

    row: int
    customer: str
    date: str
    cds: int
    dollars: str

    @property
    def message_id(self) -> str:
        return f"cdnow-{self.row:06}"


class Totals(NamedTuple):
    """What the purchases add up to. `revenue` is in dollars, exact to the cent."""

    customers: int
    orders: int
    units: int
    revenue: Decimal


PUBLISHED = Totals(23_570, 69_659, 167_881, Decimal("2500315.63"))


def parse(text: str) -> list[Purchase]:
    """The purchases in the order of the file. Raises Rejected (code "cdnow") for a row that is none."""
    lines = text.splitlines()[1:]
    return [_purchase(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _purchase(number: int, line: str) -> Purchase:
    try:
        customer, date, cds, dollars = line.split()
        purchase = Purchase(number, customer, date, int(cds), dollars)
        if not (date.isdigit() and len(date) == 8 and Decimal(dollars) >= 0):
            raise ValueError(line)
    except (ValueError, ArithmeticError):
        expected = "customer, date as yyyymmdd, number of CDs, dollars"
        raise Rejected("cdnow", f"row {number} of the CDNOW file is `{line[:80]}`; expected {expected}") from None
    return purchase


def totals(purchases: Sequence[Purchase]) -> Totals:
    """Customers, orders, CDs and dollars of these purchases."""
    return Totals(
        len({purchase.customer for purchase in purchases}),
        len(purchases),
        sum(purchase.cds for purchase in purchases),
        sum((Decimal(purchase.dollars) for purchase in purchases), Decimal(0)),
    )


def spent(purchases: Sequence[Purchase]) -> dict[str, Decimal]:
    """The dollars of each customer."""
    found: dict[str, Decimal] = {}
    for purchase in purchases:
        found[purchase.customer] = found.get(purchase.customer, Decimal(0)) + Decimal(purchase.dollars)
    return found


def call(purchase: Purchase) -> dict[str, Any]:
    """The purchase as a Segment call. The file knows days only, so it happened at noon, UTC."""
    year, month, day = purchase.date[:4], purchase.date[4:6], purchase.date[6:]
    return {
        "type": "track",
        "event": EVENT,
        "messageId": purchase.message_id,
        "userId": f"cdnow-{purchase.customer}",
        "timestamp": f"{year}-{month}-{day}T12:00:00Z",
        "properties": {
            "order_id": f"cdnow-{purchase.row:06}",
            "total": Raw(_number(purchase.dollars)),
            "currency": "USD",
            "quantity": purchase.cds,
        },
    }


def _number(dollars: str) -> bytes:
    """The digits as they stand in the file, as JSON: it knows no leading zeros ("012.00") and no bare dot (".50")."""
    whole, _, cents = dollars.partition(".")
    return f"{int(whole or 0)}.{cents or 0}".encode()
