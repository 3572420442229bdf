"""What tests of commands do with the command line of a platform (`Platform.command`)."""

import json
from collections.abc import Callable

from typer.testing import Result

Command = Callable[..., Result]


def unbalanced(rapport: Command) -> set[str]:
    """The accounts that do not balance; the exit code must say the same."""
    done = rapport("audit", "--json")
    report = json.loads(done.stdout)
    found = {account["title"] for account in report["accounts"] if not account["balanced"]}
    assert done.exit_code == (1 if found else 0) and report["balanced"] is not bool(found)
    return found


def order(user: str, total: int) -> bytes:
    """A row of a file to import."""
    properties = {"total": total + 0.1}
    call = {"type": "track", "userId": user, "event": "Order Completed", "timestamp": "2024-05-06T07:08:09Z"}
    return json.dumps({**call, "messageId": f"order-{total}", "properties": properties}).encode()


def for_acme(user: str) -> list[bytes]:
    """Rows by which somebody joins an account and uses a seat of it."""
    told = {"type": "group", "userId": user, "groupId": "acme", "traits": {"plan": "pro"}}
    used = {"type": "track", "userId": user, "event": "Seat Used", "properties": {"seat": user}}
    rows = (told, used | {"context": {"groupId": "acme"}})
    return [json.dumps({**row, "messageId": f"{row['type']}-{user}"}).encode() for row in rows]
