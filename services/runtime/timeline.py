"""What people did, from the warehouse over ClickHouse's HTTP interface."""

import threading
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client

_PAGE = """
SELECT toUnixTimestamp64Milli(timestamp) AS timestamp, message_id, type, event, channel, source, anchor,
       toUnixTimestamp64Milli(received_at) AS received_at,
       JSONExtractRaw(payload, 'properties') AS properties, JSONExtractRaw(payload, 'traits') AS traits
FROM touchpoints
WHERE workspace = {workspace:String} AND anchor IN {anchors:Array(String)}
  AND ({newest:Bool} OR (touchpoints.timestamp, message_id) < (fromUnixTimestamp64Milli({at:Int64}), {id:String}))
ORDER BY touchpoints.timestamp DESC, message_id DESC
LIMIT {limit:UInt32}
"""


class WarehouseTimeline:
    """Pages of touchpoints. Connects at the first question, so that the API starts without the warehouse."""

    def __init__(self, host: str, port: int, password: str = ""):
        self._host, self._port, self._password = host, port, password
        self._client: Client | None = None
        self._lock = threading.Lock()

    def page(
        self, workspace: str, anchors: tuple[str, ...], before: tuple[int, str] | None, limit: int
    ) -> list[dict[str, Any]]:
        """At most `limit` touchpoints of these anchors that come before (timestamp, message id), newest first."""
        at, last = before or (0, "")
        found = self._connected().query(
            _PAGE,
            parameters={
                "workspace": workspace, "anchors": list(anchors), "newest": before is None,
                "at": at, "id": last, "limit": limit,
            },
        )  # fmt: skip
        return list(found.named_results())

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = clickhouse_connect.get_client(
                    host=self._host, port=self._port, username="reader", password=self._password,
                    autogenerate_session_id=False,
                )  # fmt: skip
            return self._client
