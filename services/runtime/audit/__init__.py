"""`rapport audit`: every figure from a store of its own, all at one cut, and compared.

The cut is a commit of the engine: the touchpoints it had read then, the records that they led to, and the topics it
had published. The log, the ledger and the warehouse are asked for exactly what belongs to it, so the books are
compared while events go on arriving.
"""

import sqlite3
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from services.errors import RapportError
from services.runtime import frames, standing
from services.runtime.audit import stores
from services.runtime.audit.archive import TABLES, Archive
from services.runtime.audit.books import Account, Figures, Report, compare
from services.runtime.audit.matching import added, match
from services.runtime.audit.stores import Cut
from services.runtime.clickhouse_reader import connect
from services.runtime.files import Files, find_running
from services.runtime.settings import Settings
from services.runtime.standing import Told, silent

_PUBLISHED = ("audience-changes", "identity-changes", "duplicates", "actions", "profiles", "membership")

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
    standing.wait("the engine", lambda: standing.folded(files), standing.log_end(files), told)
    before = standing.all_archived(files)
    with stores.snapshot(files.state) as state, stores.snapshot(files.log) as log:
        held = {name: Held("engine", state) for name in _PUBLISHED}
        held |= {"touchpoints": Held("log", log), "rejected": Held("log", log)}
        cuts = {name: stores.cut(one.reader, name, before) for name, one in held.items()}
        cuts["touchpoints"] = cuts["touchpoints"]._replace(end=standing.read_next(state))
        known, end = cuts["actions"]
        standing.wait("delivery", lambda: standing.taken(files, known), end, told)
        with stores.snapshot(files.ledger) as ledger:
            held["deliveries"], cuts["deliveries"] = Held("ledger", ledger), stores.cut(ledger, "deliveries", before)
            _await_warehouse(files, cuts, told)
            return _figures(held, cuts, Archive(connect(settings, running.clickhouse_port), cuts))


class Held(NamedTuple):
    """The store that holds a topic, and a reader of its file."""

    store: str
    reader: sqlite3.Connection


def _await_warehouse(files: Files, cuts: Mapping[str, Cut], told: Told) -> None:
    for topic, cut in cuts.items():
        standing.wait("the warehouse", partial(standing.archived, files, topic), cut.end, told)


def _figures(held: Mapping[str, Held], cuts: Mapping[str, Cut], archive: Archive) -> Figures:
    state, ledger = held["profiles"].reader, held["deliveries"].reader
    topics = {name: stores.topic(held[name].reader, held[name].store, name, cuts[name].end) for name in TABLES}
    keys = stores.decided(state, cuts["actions"].end)
    return Figures(
        topics=topics,
        archive={name: archive.topic(name, topic.beginning) for name, topic in topics.items()},
        folded=stores.folded(state),
        people=match(stores.people(state), archive.people()),
        owners=match(stores.owners(state), archive.owners()),
        decided=added(key.encode() for key in keys),
        ledger=stores.ledger(ledger, keys),
        views=archive.views(frames.beginning(state, "actions")),
    )
