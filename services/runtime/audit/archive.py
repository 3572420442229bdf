"""Figures from the warehouse, over ClickHouse's HTTP interface: rows up to the same cut as in the files.

Everything is read as analysts read it (FINAL, or the views): a row that was inserted twice at the same position after
a crash, and is shown once, is no difference.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from services.runtime.audit.books import Archived, FollowUps, Sum, Views
from services.runtime.audit.matching import Theirs
from services.runtime.audit.stores import Cut

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

TABLES = {
    "touchpoints": "touchpoint_log",
    "duplicates": "duplicate_log",
    "rejected": "rejected_log",
    "audience-changes": "audience_change_log",
    "identity-changes": "identity_change_log",
    "actions": "action_log",
    "deliveries": "delivery_log",
}  # one row a message
# the newest message of each key
KEYED = {"profiles": "profile_log", "accounts": "account_log", "membership": "identity_log"}

_TOPIC = """
SELECT count(), uniqExact(offset, index), sumIf(CRC32(payload), offset >= {beginning:UInt64})
FROM %s FINAL WHERE incarnation = {incarnation:String} AND offset < {end:UInt64}
"""
_STRAYS = """
SELECT if(incarnation = {incarnation:String} AND partition = 0, offset, toUInt64(-1)) AS at, count()
FROM %s WHERE incarnation != {incarnation:String} OR partition != 0 OR offset >= {end:UInt64} GROUP BY at
"""
_CONFLICTS = "SELECT count() FROM conflicts"
_VIEW = "SELECT count() FROM %s WHERE incarnation = {incarnation:String} AND offset < {end:UInt64}"
_FOLLOW_UPS = """
SELECT if(d.steps = 0, 'waiting', d.status) AS status, count(), sum(CRC32(a.key))
FROM (
    SELECT DISTINCT workspace, key FROM action_log
    WHERE incarnation = {incarnation:String} AND offset >= {beginning:UInt64} AND offset < {end:UInt64}
) AS a
LEFT JOIN (
    SELECT workspace, key, argMax(toString(status), (offset, index)) AS status, count() AS steps
    FROM delivery_log WHERE incarnation = {ledger:String} AND offset < {told:UInt64} GROUP BY workspace, key
) AS d ON d.workspace = a.workspace AND d.key = a.key
GROUP BY status
"""
_DOCUMENTS = """
SELECT profile_id, JSONExtractUInt(payload, 'touchpoints') AS touchpoints, version, CRC32(payload),
    incarnation = {incarnation:String} AND offset >= {end:UInt64} AS later
FROM %s ORDER BY profile_id
"""
_PEOPLE = _DOCUMENTS % "profile_log FINAL WHERE later OR NOT (deleted OR redirect != '')"
_ACCOUNTS = _DOCUMENTS % "account_log FINAL"
_OWNERS = """
SELECT identifier_id, owner, incarnation = {incarnation:String} AND offset >= {end:UInt64} AS later
FROM identity_log FINAL WHERE version > 0 ORDER BY identifier_id
"""


class Archive:
    """The warehouse, asked up to these cuts."""

    def __init__(self, client: "Client", cuts: Mapping[str, Cut]):
        self._client, self._cuts = client, cuts

    def topic(self, name: str, beginning: int) -> Archived:
        """A topic's rows, and the checksums of those from the offset `beginning` on."""
        rows, positions, checksum = self._one(_TOPIC % TABLES[name], name, beginning=beginning)
        return Archived(rows, positions, Sum(rows, checksum).content)

    def strays(self, name: str) -> list[tuple[int, int]]:
        """(offset, rows) of what does not belong to a topic up to the cut; of another life or partition, beyond every
        offset. Those that are below the topic's end *after* this question were published since the cut."""
        return [(offset, rows) for offset, rows in self._ask(_STRAYS % (TABLES | KEYED)[name], name)]

    def conflicts(self) -> int:
        """How many message ids are under several anchors."""
        return int(self._ask(_CONFLICTS, "touchpoints")[0][0])

    def views(self, beginning: int) -> Views:
        """What the views show; of follow-ups, those published from the offset `beginning` on."""
        touchpoints, duplicates = (self._one(_VIEW % view, "touchpoints")[0] for view in ("touchpoints", "duplicates"))
        grouped = self._one(f"{_VIEW % 'touchpoints'} AND group_id != ''", "touchpoints")[0]
        told = self._cuts["deliveries"]
        rows = self._ask(_FOLLOW_UPS, "actions", beginning=beginning, ledger=told.incarnation, told=told.end)
        keys = Sum(sum(row[1] for row in rows), sum(row[2] for row in rows))
        return Views(touchpoints, duplicates, grouped, FollowUps(keys, {row[0]: row[1] for row in rows}))

    def people(self) -> Iterator[Theirs]:
        """Everybody, by profile id: how many touchpoints, and the version and the checksum of the document."""
        return self._documents(_PEOPLE, "profiles")

    def accounts(self) -> Iterator[Theirs]:
        """Every account, by profile id, with the same."""
        return self._documents(_ACCOUNTS, "accounts")

    def _documents(self, sql: str, topic: str) -> Iterator[Theirs]:
        for key, touchpoints, version, checksum, later in self._stream(sql, topic):
            yield Theirs(key, (str(touchpoints), str(version), str(checksum)), touchpoints, bool(later))

    def owners(self) -> Iterator[Theirs]:
        """Every identifier that changed hands, and whose it is; by the profile id that it names by itself."""
        for key, owner, later in self._stream(_OWNERS, "membership"):
            yield Theirs(key, (owner,), 0, bool(later))

    def _parameters(self, topic: str, more: dict[str, Any]) -> dict[str, Any]:
        return self._cuts[topic]._asdict() | more

    def _ask(self, sql: str, topic: str, **more: Any) -> list[Any]:
        return list(self._client.query(sql, parameters=self._parameters(topic, more)).result_rows)

    def _one(self, sql: str, topic: str, **more: Any) -> Any:
        return self._ask(sql, topic, **more)[0]

    def _stream(self, sql: str, topic: str) -> Iterator[Any]:
        with self._client.query_rows_stream(sql, parameters=self._parameters(topic, {})) as rows:
            yield from rows
