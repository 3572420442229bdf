"""By which definitions the people of the state file were computed.

What is new or changed counts for the touchpoints that come from then on, and for the past only after a rebuild. So the
file keeps, in its table `about`, what the past was computed by: written while nothing is computed yet, which is at the
beginning and after a rebuild has begun.
"""

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

from services.configuration import Config
from services.profile.asked import asked

_ROW = "computed_by"
_IDENTITY = "the rules of identity"


def note(db: sqlite3.Connection, config: Config, now: int) -> None:
    """Write down, when nothing is computed yet, that it will be by these definitions. `now` is epoch ms."""
    if not _computed(db) or _noted(db) is None:
        noted = json.dumps({"at": now, "by": _definitions(config)})
        db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (_ROW, noted))


def renew(db: sqlite3.Connection, config: Config, now: int) -> None:
    """After a back-fill everything but identity is as these definitions make it."""
    noted = _noted(db) or {"by": {}}
    identity = {name: known for name, known in noted["by"].items() if name == _IDENTITY}
    db.execute(
        "INSERT OR REPLACE INTO about VALUES (?, ?)",
        (_ROW, json.dumps({"at": now, "by": _definitions(config) | identity})),
    )


def changed(db: sqlite3.Connection, config: Config) -> str:
    """A sentence about the definitions that do not count for the past yet; empty when all do."""
    noted = _noted(db)
    if noted is None or not _computed(db):
        return ""
    known = noted["by"]
    names = [name for name, fingerprint in _definitions(config).items() if known.get(name) != fingerprint]
    if not names:
        return ""
    since = datetime.fromtimestamp(noted["at"] / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    what = f"new or changed since {since}: {', '.join(names)}"
    command = "rapport replay" if _IDENTITY in names else "rapport traits backfill"
    return f"{what}. What happened before counts for that only after `{command}`"


def _definitions(config: Config) -> dict[str, str]:
    """Everything that people are computed by, as it is called in sentences: its fingerprint."""
    by_rules = asked(rule.condition for rule in config.rules if rule.condition)
    return {
        **{
            f"the {'account ' if trait.of == 'account' else ''}trait {trait.name}": trait.fingerprint
            for trait in config.traits
        },
        **{f"the audience {audience.name}": audience.fingerprint for audience in config.audiences},
        **{f'the count of "{event}" for a rule': "" for event in by_rules.names},
        _IDENTITY: config.identity.fingerprint,
    }


def _computed(db: sqlite3.Connection) -> bool:
    """Whether any touchpoint was read into the present records."""
    return db.execute("SELECT 1 FROM watermarks LIMIT 1").fetchone() is not None


def _noted(db: sqlite3.Connection) -> Any:
    row = db.execute("SELECT value FROM about WHERE name = ?", (_ROW,)).fetchone()
    return json.loads(row[0]) if row else None
