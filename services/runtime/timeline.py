"""What people did, from the warehouse over ClickHouse's HTTP interface."""

import threading
from typing import TYPE_CHECKING, Any

from services.profile.api import Place
from services.runtime.clickhouse_reader import connect
from services.runtime.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_PAGE = """
SELECT toUnixTimestamp64Milli(timestamp) AS timestamp, message_id, type, event, channel, source, anchor,
       toUnixTimestamp64Milli(received_at) AS received_at,
       JSONExtractRaw(payload, 'properties') AS properties, JSONExtractRaw(payload, 'traits') AS traits
FROM touchpoints
WHERE workspace = {workspace:String} AND anchor IN {anchors:Array(String)}
  AND ({newest:Bool} OR (touchpoints.timestamp, message_id, anchor, touchpoints.received_at)
    < (fromUnixTimestamp64Milli({at:Int64}), {id:String}, {last:String}, fromUnixTimestamp64Milli({received:Int64})))
ORDER BY touchpoints.timestamp DESC, message_id DESC, anchor DESC, touchpoints.received_at DESC
LIMIT {limit:UInt32}
"""


_CONSENTS = """
SELECT channel, purpose, answer, toUnixTimestamp64Milli(timestamp) AS timestamp,
       toUnixTimestamp64Milli(received_at) AS received_at, source, trust, `by`, proof, event, anchor, message_id
FROM consents
WHERE workspace = {workspace:String} AND anchor IN {anchors:Array(String)}
ORDER BY consents.timestamp DESC, message_id DESC, channel, purpose
LIMIT {limit:UInt32}
"""


class WarehouseTimeline:
    """Pages of touchpoints, and the ledger of consent. Connects at the first question, so that the API starts without
    the warehouse."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._client: Client | None = None
        self._lock = threading.Lock()

    def page(self, workspace: str, anchors: tuple[str, ...], before: Place | None, limit: int) -> list[dict[str, Any]]:
        """At most `limit` touchpoints of these anchors that come before the place, newest first."""
        place = before or Place(0, "", "", 0)
        found = self._connected().query(
            _PAGE,
            parameters={
                "workspace": workspace, "anchors": list(anchors), "newest": before is None, "at": place.timestamp,
                "id": place.message_id, "last": place.anchor, "received": place.received_at, "limit": limit,
            },
        )  # fmt: skip
        return list(found.named_results())

    def newest(self, workspace: str, anchors: tuple[str, ...], limit: int) -> list[dict[str, Any]]:
        """At most `limit` answers to questions of consent that were given under these identifiers, newest first."""
        asked = {"workspace": workspace, "anchors": list(anchors), "limit": limit}
        return list(self._connected().query(_CONSENTS, parameters=asked).named_results())

    def _connected(self) -> "Client":
        with self._lock:
            if self._client is None:
                self._client = connect(self._settings, self._settings.clickhouse_port)
            return self._client
