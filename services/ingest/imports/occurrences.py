"""How often something was there already, in bounded memory."""

import sqlite3


class Occurrences:
    """Counts equal rows of one file: what is too much for memory goes to a temporary file."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("CREATE TABLE seen (row BLOB PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def count(self, digest: bytes) -> int:
        """How often this was asked, this time included."""
        sql = "INSERT INTO seen VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n"
        return int(self._db.execute(sql, (digest,)).fetchone()[0])
