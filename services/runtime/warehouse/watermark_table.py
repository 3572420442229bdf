"""How far the warehouse has read each partition, in a table of its own: a backup of the warehouse has both."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from services.runtime.warehouse.watermarks import Place, Watermark

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_ALL = """
SELECT topic, `partition`, incarnation, max(offset) FROM warehouse_watermarks
GROUP BY topic, `partition`, incarnation ORDER BY max(noted_at)
"""
_COLUMNS = ("topic", "partition", "incarnation", "offset")


class WatermarkTable:
    """The table warehouse_watermarks. The highest offset that anybody noted counts: who was late takes nothing back."""

    def __init__(self, client: "Client"):
        self._client = client

    def all(self) -> dict[Place, Watermark]:
        """Every watermark; of a topic that was made anew the one that was noted last."""
        rows = self._client.query(_ALL).result_rows
        return {Place(topic, number): Watermark(life, offset) for topic, number, life, offset in rows}

    def advance(self, marks: Mapping[Place, Watermark]) -> None:
        """Note these in one insert, which is there whole or not at all."""
        rows = (dict(zip(_COLUMNS, (*place, *mark), strict=True)) for place, mark in marks.items())
        lines = b"\n".join(map(msgspec.json.encode, rows))
        self._client.raw_insert("warehouse_watermarks", _COLUMNS, lines, fmt="JSONEachRow")
