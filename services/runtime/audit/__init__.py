"""`rapport audit`: every figure from a store of its own, all at one cut, and compared.

The cut is a commit of the engine: the touchpoints it had read then, the records that they led to, and the topics it
had published. The log, the ledger and the warehouse are asked for exactly what belongs to it, so the books are
compared while events go on arriving.
"""

import sqlite3
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from services.configuration import load_config
from services.errors import RapportError
from services.profile.definitions import Definitions
from services.runtime import frames, standing
from services.runtime.audit import stores
from services.runtime.audit.archive import KEYED, TABLES, Archive
from services.runtime.audit.books import Account, Figures, Report, compare
from services.runtime.audit.matching import added, match
from services.runtime.audit.stores import Cut
from services.runtime.clickhouse_reader import connect
from services.runtime.files import Files, find_running
from services.runtime.settings import Settings
from services.runtime.standing import Told, silent

_PUBLISHED = ("audience-changes", "identity-changes", "duplicates", "actions", "profiles", "accounts", "membership")

__all__ = ["Account", "Report", "audit", "compare", "gather"]


def audit(settings: Settings, told: Told = silent) -> Report:
    """The report on the platform that is up on the data folder, while it works. `told` hears what is waited for.

    Raises RapportError when nothing is running there, or when a reader does not come as far as the log is.
    """
    return compare(gather(settings, told))


def gather(settings: Settings, told: Told = silent) -> Figures:
    """Every figure, at one cut through all stores."""
    files = Files(settings.data.resolve())
    running = find_running(files)
    if running is None:
        raise RapportError(f"nothing is running on {settings.data}: start it with `rapport up --data {settings.data}`")
    definitions = load_config(Path(running.config)).definitions
    standing.wait("the engine", lambda: standing.folded(files), standing.log_end(files), told)
    standing.wait("the rebuild", lambda: standing.rebuilt(files), 1, told)
    before = standing.all_archived(files)
    with stores.snapshot(files.state) as state, stores.snapshot(files.log) as log:
        held = {name: Held("engine", files.state, state) for name in _PUBLISHED}
        held |= {name: Held("log", files.log, log) for name in ("touchpoints", "rejected")}
        cuts = {name: stores.cut(one.reader, name, before) for name, one in held.items()}
        cuts["touchpoints"] = cuts["touchpoints"]._replace(end=standing.read_next(state))
        known, end = cuts["actions"]
        standing.wait("delivery", lambda: standing.taken(files, known), end, told)
        with stores.snapshot(files.ledger) as ledger:
            held["deliveries"] = Held("ledger", files.ledger, ledger)
            cuts["deliveries"] = stores.cut(ledger, "deliveries", before)
            _await_warehouse(files, cuts, told)
            archive = Archive(connect(settings, running.clickhouse_port), cuts)
            return _figures(held, cuts, archive, definitions)


class Held(NamedTuple):
    """The store that holds a topic, its file, and a reader of the file as it was at the cut."""

    store: str
    path: Path
    reader: sqlite3.Connection


def _await_warehouse(files: Files, cuts: Mapping[str, Cut], told: Told) -> None:
    for topic, cut in cuts.items():
        standing.wait("the warehouse", partial(standing.archived, files, topic), cut.end, told)


def _strays(name: str, path: Path, archive: Archive) -> int:
    """Rows of the warehouse that are neither in the topic's file nor were published while we looked."""
    found = archive.strays(name)
    end = stores.end(path, name)
    return sum(rows for offset, rows in found if offset >= end)


def _figures(held: Mapping[str, Held], cuts: Mapping[str, Cut], archive: Archive, definitions: Definitions) -> Figures:
    state, ledger = held["profiles"].reader, held["deliveries"].reader
    topics = {name: stores.topic(held[name].reader, held[name].store, name, cuts[name].end) for name in TABLES}
    keys = stores.decided(state, cuts["actions"].end)
    return Figures(
        topics=topics,
        archive={name: archive.topic(name, topic.beginning) for name, topic in topics.items()},
        folded=stores.folded(state),
        people=match(stores.people(state, definitions), archive.people()),
        accounts=match(stores.accounts(state, definitions), archive.accounts()),
        owners=match(stores.owners(state), archive.owners()),
        decided=added(key.encode() for key in keys),
        ledger=stores.ledger(ledger, keys),
        views=archive.views(frames.beginning(state, "actions")),
        strays={name: _strays(name, held[name].path, archive) for name in TABLES | KEYED},
        conflicts=archive.conflicts(),
    )
