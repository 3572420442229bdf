"""The warehouse's tables: numbered SQL files, each applied once, in order, and recorded in `schema_migrations`."""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from services.errors import RapportError
from services.runtime.warehouse.tokens import statements

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

FOLDER = Path(__file__).parents[3] / "deploy" / "clickhouse"

RECORDS = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt32 COMMENT 'Number of the file',
    name String COMMENT 'Name of the file',
    checksum String COMMENT 'BLAKE2b of its text, 16 bytes in hexadecimal',
    warehouse UUID COMMENT 'Name of this very warehouse: one made anew has another',
    applied_at DateTime64(3, 'UTC') COMMENT 'When it was applied'
)
ENGINE = ReplacingMergeTree ORDER BY number
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Migrations that were applied to this warehouse'
"""


class Migration(NamedTuple):
    """One file."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """A change of the text changes it."""
        return blake2b(self.text.encode(), digest_size=16).hexdigest()


def load(folder: Path = FOLDER) -> list[Migration]:
    """The migrations in the folder by number. Raises RapportError when two have the same number."""
    found = [Migration(int(path.name[:4]), path.name, path.read_text()) for path in sorted(folder.glob("[0-9]*.sql"))]
    if [one.number for one in found] != list(range(1, len(found) + 1)):
        raise RapportError(f"{folder}: migrations must be numbered 0001, 0002, … without gaps; found {_names(found)}")
    return found


def apply(client: "Client", folder: Path = FOLDER, rewrite: Callable[[str], str] = str) -> str:
    """Apply what is missing, each statement that makes something as `rewrite` has it. Returns the warehouse's name, a
    UUID that it got when it was made.

    Statements are written so that they can run twice: after a crash in the middle of a file, the file runs again.
    Raises RapportError when a file that was applied has changed since, or is not there.
    """
    client.command(rewrite(RECORDS))
    rows = client.query("SELECT number, name, checksum FROM schema_migrations FINAL ORDER BY number").result_rows
    applied = {number: (name, checksum) for number, name, checksum in rows}
    wanted = load(folder)
    if unknown := sorted(set(applied) - {one.number for one in wanted}):
        raise RapportError(f"the warehouse was made by a newer Rapport (migration {applied[unknown[-1]][0]}): update")
    for one in wanted:
        if one.number not in applied:
            _apply(client, one, rewrite)
        elif applied[one.number][1] != one.checksum:
            raise RapportError(
                f"{one.name} has changed since it was applied: put it back, and make the change in a new file"
            )
    return str(client.query("SELECT any(warehouse) FROM schema_migrations").result_rows[0][0])


def _apply(client: "Client", one: Migration, rewrite: Callable[[str], str]) -> None:
    for statement in statements(one.text):
        client.command(rewrite(statement))
    client.command(
        "INSERT INTO schema_migrations SELECT {number:UInt32}, {name:String}, {checksum:String},"
        " if((SELECT count() FROM schema_migrations) = 0, generateUUIDv4(),"
        " (SELECT any(warehouse) FROM schema_migrations)),"
        " now64(3, 'UTC')",
        parameters={"number": one.number, "name": one.name, "checksum": one.checksum},
    )


def _names(found: list[Migration]) -> str:
    return ", ".join(one.name for one in found) or "none"
