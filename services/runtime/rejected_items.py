"""What collectors refused, read from the warehouse: by reason, one by one, and whether it came in later."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from services.ingest.replay import Refused

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_WHERE = """
WHERE ({workspace:String} = '' OR workspace = {workspace:String}) AND ({source:String} = '' OR source = {source:String})
  AND ({code:String} = '' OR code = {code:String}) AND ({field:String} = '' OR field = {field:String})
  AND ({id:String} = '' OR replay_id = {id:String}) AND ({resolved:Bool} OR NOT resolved)
"""
_GROUPS = (
    """
SELECT workspace, source, kind, code, field, countIf(NOT resolved) AS open, countIf(resolved) AS done,
    toUnixTimestamp64Milli(min(received_at)) AS first, toUnixTimestamp64Milli(max(received_at)) AS last,
    argMax(if(hint = '', reason, concat(reason, ' (', hint, ')')), received_at) AS example
FROM rejected"""
    + _WHERE
    + """
GROUP BY workspace, source, kind, code, field
ORDER BY open DESC, done DESC, workspace, source, code, field, kind LIMIT {most:UInt32}
"""
)
_ITEMS = (
    """
SELECT replay_id, workspace, source, kind, toUnixTimestamp64Milli(received_at) AS at, code, field,
    if(hint = '', reason, concat(reason, ' (', hint, ')')) AS why, raw, resolved
FROM rejected"""
    + _WHERE
    + """
ORDER BY received_at DESC, offset DESC, index DESC LIMIT 1 BY workspace, replay_id LIMIT {most:UInt32}
"""
)
_RESOLVED = "SELECT DISTINCT workspace, replay_id FROM rejected WHERE resolved"


class Which(NamedTuple):
    """Which items; empty is all. `resolved` items are those that came in later: sent again, by whomever."""

    workspace: str = ""
    source: str = ""
    code: str = ""
    field: str = ""
    id: str = ""
    resolved: bool = False


class Group(NamedTuple):
    """Items refused for one reason: how many are `open` and how many resolved (`done`), the times of the first and the
    last (epoch ms), and the sentence that the last one got."""

    workspace: str
    source: str
    kind: str
    code: str
    field: str
    open: int
    done: int
    first: int
    last: int
    example: str


def groups(client: "Client", which: Which, most: int) -> list[Group]:
    """The reasons, the most frequent first."""
    return [Group(*row) for row in client.query(_GROUPS, parameters=_asked(which, most)).result_rows]


def items(client: "Client", which: Which, most: int) -> Iterator[Refused]:
    """The items, the newest first; of those that were sent again and refused again, the last."""
    with client.query_rows_stream(_ITEMS, parameters=_asked(which, most)) as rows:
        yield from (Refused(*row) for row in rows)


def resolved(client: "Client") -> frozenset[tuple[str, str]]:
    """(workspace, id) of every item that came in later."""
    return frozenset((row[0], row[1]) for row in client.query(_RESOLVED).result_rows)


def _asked(which: Which, most: int) -> dict[str, Any]:
    return which._asdict() | {"most": most}
