"""What people do with the ledger: send again what ended badly, and take its keys along to another installation."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import structlog

from schemas import fast
from schemas.fast import Action, Command
from services.errors import Rejected
from services.runtime import frames
from services.runtime.followups.ledger import Ledger, Send, Status, insert, rows, told

AGAIN: tuple[Status, ...] = ("dead", "failed", "uncertain")  # ended badly
NAMED: tuple[Status, ...] = (*AGAIN, "held")  # may be sent again by a person who names it: what held it may be over
_EVERY: tuple[Status, ...] = get_args(Status)
_action = msgspec.json.Decoder(Action).decode
_log = structlog.get_logger()
_OPEN = ("waiting", "attempting")
_Line: Any = msgspec.defstruct(
    "_Line", [("v", Literal[1]), *(Send.__annotations__ | {"action": Action}).items()], forbid_unknown_fields=True
)


def obey(ledger: Ledger, order: Command, now: int) -> bool:
    """Carry out an order about the ledger. Returns False when it is about something else."""
    if order.command == "resend":
        send_again(ledger, [order.argument], now)
        return True
    if order.command != "restore-ledger":
        return False
    try:
        restore(ledger, order.argument.encode().split(b"\n"), now)
    except Rejected as wrong:
        _log.error("the ledger's rows were not restored", reason=wrong.reason)
    return True


def send_again(ledger: Ledger, keys: Sequence[str], now: int) -> list[str]:
    """Make these rows due again, with all their attempts. Returns the keys for which it was done: a key that is not
    known, or may not be sent again, is left as it is. Conditions and consent are checked once more."""
    done = []
    with ledger.transaction() as db:
        for key in keys:
            row = db.execute("SELECT * FROM sends WHERE key = ?", (key,)).fetchone()
            if row and may_be_sent_again(send := Send._make(row)):
                again = send._replace(status="waiting", attempt=0, next_at=now, reason="sent again by hand", at=now)
                sql = "UPDATE sends SET status = 'waiting', attempt = 0, next_at = ?, reason = ?, at = ? WHERE key = ?"
                db.execute(sql, (now, again.reason, now, key))
                ledger.tell([told(again)], now)
                done.append(key)
    return done


def may_be_sent_again(send: Send) -> bool:
    """Whether a person may send this again. What a rule held itself (a holdout) is held for good."""
    return send.status in NAMED and not (send.status == "held" and _action(send.action).held)


def export(path: Path) -> Iterator[bytes]:
    """Every row as one line of JSON, from a ledger that may be in use. Actions go along, secrets do not."""
    reader = frames.open_reader(path)
    try:
        for send in rows(reader, _EVERY, limit=-1):
            yield fast.dumps({"v": 1} | send._asdict() | {"action": msgspec.Raw(send.action)})
    finally:
        reader.close()


def restore(ledger: Ledger, lines: Iterable[bytes], now: int) -> int:
    """Add exported rows; a key that is known stays as it is. Returns how many were added.

    What had not been sent when it was exported becomes `uncertain`: the installation it came from may have sent it
    since. A person decides. Raises Rejected (code "ledger") for a line that is none, and adds nothing then.
    """
    added = 0
    with ledger.transaction() as db:
        for number, line in enumerate(lines, 1):
            added += insert(db, restored(line, number, now))
    return added


def restored(line: bytes, number: int, now: int) -> Send:
    """The row that an exported line becomes. Raises Rejected (code "ledger"), naming `number`, for another."""
    try:
        found = msgspec.structs.asdict(msgspec.json.decode(line, type=_Line))
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise Rejected("ledger", f"line {number} is not a row of an exported ledger: {error}") from error
    send = Send(**{name: found[name] for name in Send._fields} | {"action": fast.dumps(found["action"])})
    if send.status in _OPEN:
        reason = "not sent yet when it was exported; the installation it came from may have sent it since"
        return send._replace(status="uncertain", reason=reason, at=now)
    return send
