"""Orders to the engine, from the topic `commands`: carried out between two turns, once each, in order."""

import sqlite3
from collections.abc import Callable, Sequence

import msgspec
import structlog

from schemas.fast import Command
from services.profile.definitions import Definitions
from services.runtime import backfill, frames, rebuild
from services.runtime.followups import desk
from services.runtime.followups.ledger import Ledger

_log = structlog.get_logger()
_MARK = "commands"  # in the state file's table `about`: the offset to read next


class Orders:
    """Reads orders from the collectors' log and carries them out. An order that is cut short is carried out again;
    each of them may be."""

    def __init__(
        self, log: sqlite3.Connection, state: sqlite3.Connection, ledger: Ledger, clock: Callable[[], int],
        definitions: Definitions,
    ):  # fmt: skip
        self._log, self._state, self._ledger, self._clock = log, state, ledger, clock
        self._definitions = definitions
        self._decode = msgspec.json.Decoder(Command).decode
        row = state.execute("SELECT value FROM about WHERE name = ?", (_MARK,)).fetchone()
        self._next = int(row[0]) if row else 0

    def obey(self, stages: Sequence[str]) -> bool:
        """Carry out what was ordered. Returns whether the records were thrown away (the engine must load again)."""
        rebuilt = False
        for frame in frames.read(self._log, "commands", self._next, 100):
            for line in frame.body.split(b"\n"):
                rebuilt |= self._carry_out(self._decode(line), stages)
            self._next = frame.offset + 1
            self._state.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (_MARK, str(self._next)))
        return rebuilt

    def _come_to(self) -> tuple[int, int]:
        """The offset below which touchpoints have been read, and the instant (epoch ms) that the stages have come to.
        What lies on the log unread has started nothing yet: it is no past."""
        read = rebuild.read_before(self._state)
        unread = frames.read(self._log, "touchpoints", read, 1)
        return read, min([self._clock(), *(frame.at for frame in unread)])

    def _carry_out(self, order: Command, stages: Sequence[str]) -> bool:
        _log.info("order", command=order.command, who=order.who)
        if order.command == "rebuild":
            rebuild.begin(self._state, stages, *self._come_to())
            return True
        if not desk.obey(self._ledger, order, self._clock()):
            backfill.order(self._state, self._definitions, order.argument)
        return False
