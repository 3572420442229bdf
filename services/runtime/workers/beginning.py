"""Before anything is sent: is this the ledger of the installation, and where does it read on?

A ledger is why nothing is sent twice, so there is one in an installation, and the newest copy of it. Another one, or an
older copy (a snapshot of the volume that was brought back), does not know what was sent, and is refused.
"""

from collections.abc import Mapping

import structlog

from services.errors import RapportError
from services.runtime import frames
from services.runtime.followups.ledger import Ledger
from services.runtime.kafka.lease import Told
from services.runtime.kafka.reading import TopicReader
from services.runtime.redis import layout
from services.runtime.redis.about import RELEASED, About
from services.runtime.redis.layout import PREFIX
from services.runtime.workers.actions import names

_INSTEAD = (
    "If what it knew is lost for good, say so with `redis-cli HSET '{key}' ledger {released}`, and start with an empty"
    " data folder: the new ledger begins with the actions that are decided from then on, because nobody knows which of"
    " the others were sent. docs/cluster.md has the whole of it"
)

_log = structlog.get_logger()


def name_of(ledger: Ledger) -> str:
    """The name of this very ledger, which copies of it have, too."""
    with ledger.transaction() as db:
        return frames.incarnation(db)


def former(about: About, ledger: str) -> str:
    """Which ledger the installation had until now: none (empty), one that is given up, or this. Raises RapportError
    when it has another one."""
    found = about.ledger()
    if found not in ("", RELEASED, ledger):
        raise RapportError(
            f"the follow-ups of this installation are kept in the ledger {found}, and this data folder has the ledger"
            f" {ledger}: it does not know what was sent, so it sends nothing. Bring the volume of the other one here."
            f" {_instead()}"
        )
    return found


def check(ledger: Ledger, name: str, reader: TopicReader, told: Mapping[int, Told]) -> None:
    """Raise RapportError when this ledger has been further than it is: it is an older copy of itself."""
    positions = ledger.positions(names(reader))
    for number, partition in enumerate(names(reader)):
        before = told.get(number)
        if before is not None and before.ledger == name and positions.get(partition, 0) < before.offset:
            raise RapportError(
                f"this ledger has read partition {number} of `actions` up to {positions.get(partition, 0)}, and it had"
                f" been at {before.offset}: it is an older copy, which does not know what was sent since, so it sends"
                f" nothing. Bring the newest copy here. {_instead()}"
            )


def begin(ledger: Ledger, reader: TopicReader, others: bool, now: int) -> None:
    """Give every partition that has none its first position: its beginning, or its end where `others` have been at it,
    ledgers that are gone. What has left the log since it was read last is told and left out."""
    positions = ledger.positions(names(reader))
    beginnings, ends = reader.beginnings(), reader.ends()
    first = {}
    for number, partition in enumerate(names(reader)):
        at, begins = positions.get(partition), beginnings[number]
        if at is None:
            first[partition] = ends[number] if others else begins
        elif at < begins:
            first[partition] = begins
            told = {"topic": reader.topic, "partition": number, "read_up_to": at, "the_log_begins_at": begins}
            _log.error("messages left the log before they were read", **told)
    if others and first:
        _log.warning("a new ledger begins at the end of the log", topic=reader.topic, partitions=len(first))
    if first:
        ledger.take(first, [], now)


def _instead() -> str:
    return _INSTEAD.format(key=layout.about(PREFIX), released=RELEASED)
