"""What ClickHouse says, asked over HTTP as any analyst would."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from services.commands.demo.cdnow import EVENT, Totals
from services.runtime.clickhouse_reader import connect
from services.runtime.files import Running
from services.runtime.settings import Settings

_OF_CDNOW = "source = {source:String} AND event = {event:String} AND startsWith(message_id, 'cdnow-')"

_ARRIVED = f"SELECT count() FROM touchpoints WHERE {_OF_CDNOW}"  # noqa: S608

_ARCHIVE = f"""
SELECT uniqExact(profile_id), count(), sum(toUInt64(properties.quantity)), sum(revenue)
FROM touchpoints WHERE {_OF_CDNOW}
"""  # noqa: S608

_PROFILES = """
SELECT count(), sum(toUInt64(computed.orders)), sum(toUInt64(computed.units)),
       sum(toDecimal128(JSONExtractRaw(payload, 'computed', 'lifetime_value'), 9))
FROM profiles WHERE arrayExists(identifier -> startsWith(identifier, 'user_id:cdnow-'), identifiers)
"""

_AUDIENCES = "SELECT audience, count() FROM audiences GROUP BY audience ORDER BY audience"

_BOOKS = {
    "accepted": "SELECT count() FROM touchpoints",
    "duplicates": "SELECT count() FROM duplicates",
    "rejected": "SELECT count() FROM rejected",
}


class Figures:
    """Figures of ClickHouse about one platform. `source` is the one that CDNOW's purchases came from."""

    def __init__(self, settings: Settings, running: Running, source: str):
        self._client = connect(settings, running.clickhouse_port)
        self._parameters = {"source": source, "event": EVENT}

    def arrived(self) -> int:
        """Touchpoints of CDNOW in the archive."""
        return int(self._rows(_ARRIVED)[0][0])

    def archive(self) -> Totals:
        """CDNOW's totals, from the archive of touchpoints."""
        return _totals(self._rows(_ARCHIVE)[0])

    def profiles(self) -> Totals:
        """CDNOW's totals, from the computed traits of the profiles."""
        return _totals(self._rows(_PROFILES)[0])

    def audiences(self) -> dict[str, int]:
        """How many people are in each audience that has any."""
        return {str(audience): int(people) for audience, people in self._rows(_AUDIENCES)}

    def books(self) -> dict[str, int]:
        """All events that ever came, by what became of them."""
        return {name: int(self._rows(sql)[0][0]) for name, sql in _BOOKS.items()}

    def _rows(self, sql: str) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = self._client.query(sql, parameters=self._parameters).result_rows
        return rows


def _totals(row: Sequence[Any]) -> Totals:
    customers, orders, units, revenue = row
    return Totals(int(customers), int(orders), int(units), Decimal(revenue or 0))
