"""What people did, from the warehouse over ClickHouse's HTTP interface."""

import threading
from typing import TYPE_CHECKING, Any

import structlog

from services.errors import RapportError, Retry
from services.profile.api import Place
from services.runtime.clickhouse_reader import connect_to
from services.runtime.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
_log = structlog.get_logger()

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
    """Pages of touchpoints, and the ledger of consent. `url` is ClickHouse's. Connects at the first question, so that
    the API starts without the warehouse."""

    def __init__(self, settings: Settings, url: str):
        self._settings, self._url = settings, url
        self._client: Client | None = None
        self._lock = threading.Lock()

    def page(self, workspace: str, anchors: tuple[str, ...], before: Place | None, limit: int) -> list[dict[str, Any]]:
        """At most `limit` touchpoints of these anchors that come before the place, newest first."""
        place = before or Place(0, "", "", 0)
        asked = {
            "workspace": workspace, "anchors": list(anchors), "newest": before is None, "at": place.timestamp,
            "id": place.message_id, "last": place.anchor, "received": place.received_at, "limit": limit,
        }  # fmt: skip
        return self._rows(_PAGE, asked)

    def newest(self, workspace: str, anchors: tuple[str, ...], limit: int) -> list[dict[str, Any]]:
        """At most `limit` answers to questions of consent that were given under these identifiers, newest first."""
        asked = {"workspace": workspace, "anchors": list(anchors), "limit": limit}
        return self._rows(_CONSENTS, asked)

    def _rows(self, sql: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Raises Retry when the warehouse does not answer: it is busy, or not there yet."""
        from clickhouse_connect.driver.exceptions import ClickHouseError  # for the reason that clickhouse_reader tells

        try:
            return list(self._connected().query(sql, parameters=asked).named_results())
        except (ClickHouseError, RapportError) as error:
            _log.warning("the warehouse did not answer", reason=str(error)[:500])
            raise Retry("the warehouse does not answer now", after=5) from error

    def _connected(self) -> "Client":
        with self._lock:
            if self._client is None:
                self._client = connect_to(self._settings, self._url)
            return self._client
