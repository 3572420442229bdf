"""`rapport traits backfill`: the history of a new trait or counted event, from the archive into the cells.

The archive finds, in its own order, the touchpoints of the events in question that came before the definition did; they
become fills, which the fold joins to the cells of their anchors and the accounts stage to those of their accounts. A
step is one chunk, in one transaction with how far it came: whatever is killed, nothing is filled twice. When all are
done, everybody else is looked at by the definitions of today, so that the profiles are those that a rebuild would make.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.fast import Touchpoint
from services.errors import RapportError
from services.processor import Frame
from services.profile import fill
from services.profile.definitions import Definitions
from services.profile.fill import Judged
from services.runtime import counted, frames, standing
from services.runtime.clickhouse_reader import connect
from services.runtime.engine import Engine
from services.runtime.files import Files
from services.runtime.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

ROW = "backfill"
CHUNK = 4_000  # touchpoints of a step
PEOPLE = 1_000  # persons or accounts looked at in a step

_log = structlog.get_logger()
_decode = msgspec.json.Decoder(Touchpoint).decode
_FROM = """
FROM touchpoint_log FINAL
WHERE incarnation = {incarnation:String} AND offset < {before:UInt64}
    AND (if(type = 'track', event, type) IN {events:Array(String)}
        OR group_id != '' AND if(type = 'track', event, type) IN {of_accounts:Array(String)})
    AND (partition, offset, index) NOT IN (
        SELECT touchpoint_partition, touchpoint_offset, touchpoint_index FROM duplicate_log
        WHERE touchpoint_incarnation = {incarnation:String}
    )
    AND workspace >= {workspace:String} AND (workspace > {workspace:String} OR anchor >= {anchor:String})
    AND (workspace, anchor, toUnixTimestamp64Milli(timestamp), offset, index)
        > ({workspace:String}, {anchor:String}, {timestamp:Int64}, {offset:UInt64}, {index:UInt32})
"""
_COUNT = f"SELECT count() {_FROM}"
_ROWS = f"""
SELECT workspace, anchor, toUnixTimestamp64Milli(timestamp) AS at, offset, index, payload {_FROM}
ORDER BY workspace, anchor, at, offset, index LIMIT {CHUNK}
"""
_START = ["", "", -1, 0, 0]


def order(db: sqlite3.Connection, definitions: Definitions, names: str) -> None:
    """Begin with the traits of these names (commas between them; none: everything that lacks history). What is under
    way already goes on first."""
    asked = {name for name in names.split(",") if name}
    lacking = {key: ranges for key, ranges in counted.read(db).items() if counted.missing(ranges)}
    wanted = {
        key: counted.missing(lacking[key])
        for key in fill.keys(definitions)
        if key in lacking and (not asked or fill.name_of(key) in asked)
    }
    if state(db) is None:
        _write(db, {"keys": wanted, "at": _START, "look": ["assemble", ""], "done": 0, "of": None})


def state(db: sqlite3.Connection) -> Any:
    """How far it is; None when there is nothing to do."""
    row = db.execute("SELECT value FROM about WHERE name = ?", (ROW,)).fetchone()
    return json.loads(row[0]) if row else None


def _write(db: sqlite3.Connection, state: Mapping[str, Any]) -> None:
    db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (ROW, json.dumps(state)))


class Backfill:
    """Goes on between the engine's turns. The archive is asked in a thread, so turns go on meanwhile."""

    def __init__(
        self, settings: Settings, files: Files, definitions: Definitions, db: sqlite3.Connection, life: str,
        complete: Callable[[], None],
    ):  # fmt: skip
        """`life` is the log's incarnation; `complete` is called in the last transaction when nothing lacks any more."""
        self._settings, self._files, self._db, self._life = settings, files, db, life
        self._complete = complete
        self._definitions, self._events = definitions, fill.keys(definitions)
        self._client: Client | None = None
        self._asking: asyncio.Task[Any] | None = None
        self._give_up_what_is_gone()

    def _give_up_what_is_gone(self) -> None:
        """A definition that went away half filled in counts as whole from now on: filled again it would be doubled."""
        now = state(self._db)
        gone = sorted(key for key in (now or {}).get("keys", {}) if key not in self._events)
        if gone:
            _log.warning("half filled in when its definition went away: `rapport replay` makes it whole", keys=gone)
            with frames.transaction(self._db):
                self._now_counted(dict.fromkeys(gone))
                kept = {key: ranges for key, ranges in now["keys"].items() if key not in gone}
                _write(self._db, {**now, "keys": kept})

    async def step(self, engine: Engine) -> None:
        """At most one chunk, if it is there."""
        now = state(self._db)
        if now is None:
            return
        keys = {key: ranges for key, ranges in now["keys"].items() if key in self._events}
        if now["at"] is not None and keys:
            if self._asking is None:
                if self._archived(max(end for ranges in keys.values() for _, end in ranges)):
                    self._asking = asyncio.create_task(asyncio.to_thread(self._ask, keys, now))
                return
            if not self._asking.done():
                return
            asking, self._asking = self._asking, None
            if isinstance(asking.exception(), RapportError | OSError | ClickHouseError):
                _log.warning(
                    "the archive does not answer the back-fill; it is asked again", reason=str(asking.exception())
                )
                return
            await self._fill(engine, keys, now, *asking.result())
        else:
            await self._look(engine, now)

    def _archived(self, before: int) -> bool:
        """Whether the archive has all of it, verdicts on duplicates included."""
        verdicts = frames.end(self._db, "duplicates")
        try:
            return (standing.archived(self._files, "touchpoints") >= before
                    and standing.archived(self._files, "duplicates") >= verdicts)  # fmt: skip
        except sqlite3.OperationalError:
            return False

    def _ask(self, keys: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[int | None, Sequence[Sequence[Any]]]:
        """(how many there are in all, when that is not known yet; the next rows)."""
        if self._client is None:
            self._client = connect(self._settings, self._settings.clickhouse_port)
        workspace, anchor, timestamp, offset, index = now["at"]
        asked = {
            "incarnation": self._life, "before": max(end for ranges in keys.values() for _, end in ranges),
            "events": self._events_of(keys, of_accounts=False), "of_accounts": self._events_of(keys, of_accounts=True),
            "workspace": workspace, "anchor": anchor, "timestamp": timestamp, "offset": offset, "index": index,
        }  # fmt: skip
        of = now["of"]
        if of is None:
            of = self._client.query(_COUNT, parameters=asked).result_rows[0][0]
        return of, self._client.query(_ROWS, parameters=asked, query_formats={"String": "bytes"}).result_rows

    async def _fill(
        self, engine: Engine, keys: Mapping[str, Any], now: dict[str, Any], of: int, rows: Sequence[Sequence[Any]]
    ) -> None:
        last = rows[-1] if rows else None
        at = [_text(last[0]), _text(last[1]), *map(int, last[2:5])] if last is not None else None
        new = {**now, "at": at, "of": of, "done": now["done"] + len(rows)}
        found = fill.fills(((_decode(row[5]), _lacking(keys, row[3])) for row in rows), self._definitions)

        def note() -> None:
            if at is None:
                self._now_counted(keys)
            _write(self._db, new)

        await engine.hand({stage: Frame(fill.TOPIC, 0, fills, engine.now) for stage, fills in found.items()}, note)

    def _events_of(self, keys: Iterable[str], of_accounts: bool) -> list[str]:
        return sorted({self._events[key] for key in keys if key.startswith(fill.OF_ACCOUNTS) == of_accounts})

    def _now_counted(self, keys: Mapping[str, Any]) -> None:
        known = counted.read(self._db)
        counted.write(self._db, known | {key: [[0, None]] for key in keys})

    async def _look(self, engine: Engine, now: dict[str, Any]) -> None:
        """At everybody of a stage, one step after the other; then at those of the next one."""
        stage, after = now["look"]
        found = [Judged(key) for key in self._after(stage, after)]
        over = not found and stage == "accounts"
        look = [stage, found[-1].owner] if found else ["accounts", ""]

        def note() -> None:
            if over:
                self._db.execute("DELETE FROM about WHERE name = ?", (ROW,))
                known = counted.read(self._db)
                if not any(counted.missing(known[key]) for key in self._events):
                    self._complete()
            else:
                _write(self._db, {**now, "look": look})

        await engine.hand({stage: Frame(fill.JUDGED, 0, found, engine.now)}, note)
        if over:
            _log.info("back-fill done", keys=sorted(now["keys"]), touchpoints=now["done"])

    def _after(self, stage: str, key: str) -> list[str]:
        """The next profile ids. What is kept beside one has its id, an @ and more for a key, and is passed over."""
        sql = f"SELECT min(key) FROM records_{stage} WHERE key > ?"  # noqa: S608
        found: list[str] = []
        while len(found) < PEOPLE and (row := self._db.execute(sql, (key and key + "A",)).fetchone())[0] is not None:
            key = row[0]
            found.append(key)
        return found


def _lacking(keys: Mapping[str, Any], offset: int) -> list[str]:
    return [key for key, ranges in keys.items() if any(start <= offset < end for start, end in ranges)]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
