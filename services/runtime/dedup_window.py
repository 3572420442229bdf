"""How long message ids are known is settled once for a data folder, so that verdicts on duplicates stand.

A verdict names a line by its place in the log. A rebuild reads the same lines in the same order, and no message id is
ever dropped from the memory, so it repeats the verdicts of the first time as long as the window is the same one. The
rows of former generations in the warehouse then say nothing else, and none hides a touchpoint that counts now.
"""

import sqlite3

from services.errors import RapportError


def settle(state: sqlite3.Connection, days: int) -> None:
    """Judge with a window of so many days in this data folder, now and for good. Raises RapportError when another one
    was settled on before."""
    state.execute("INSERT OR IGNORE INTO about VALUES ('dedup_days', ?)", (str(days),))
    settled = int(state.execute("SELECT value FROM about WHERE name = 'dedup_days'").fetchone()[0])
    if settled != days:
        raise RapportError(
            f"message ids are known for {settled} days in this data folder, and what was judged stands: start with"
            f" RAPPORT_DEDUP_DAYS={settled}, or `rapport export` and restore into an empty folder with {days}"
        )
