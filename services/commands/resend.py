"""`rapport resend`: send follow-ups again that ended badly."""

import getpass
import time
from typing import Annotated

import typer

from services.commands.options import Data, InWorkspace, settings_of
from services.commands.reach import ask, files_of, http, reading, running_on
from services.errors import RapportError
from services.runtime.files import Files
from services.runtime.followups.desk import AGAIN, NAMED, may_be_sent_again
from services.runtime.followups.ledger import Send, rows

PATIENCE = 15.0  # seconds until the engine must have heard it


def resend(
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY…", help="Keys that `rapport deliveries` lists.")
    ] = None,
    rule: Annotated[
        str | None, typer.Option(metavar="NAME", help="All of this rule that were not sent, held ones too.")
    ] = None,
    workspace: InWorkspace = None,
    everything: Annotated[bool, typer.Option("--all", help="All that ended badly; what is held stays held.")] = False,
    data: Data = None,
) -> None:
    """Send follow-ups again that are dead, failed or uncertain; held ones too, when named by key or rule.

    Conditions and consent are checked once more: what they still forbid is held again.

    \b
    rapport resend main/order_to_crm/0//order-1042
    rapport resend --rule order_to_crm --workspace main
    rapport resend --all
    """
    settings = settings_of(data=data)
    running, files = running_on(settings), files_of(settings)
    possible = not_sent(files)
    there = {key: send for key, send in possible.items() if workspace in (None, send.workspace)}
    wanted = [key for key, send in there.items() if rule == send.rule or (everything and send.status in AGAIN)]
    wanted = list(dict.fromkeys([*wanted, *(keys or [])]))
    if not (keys or rule or everything):
        raise RapportError("say which: KEY, --rule NAME or --all; `rapport deliveries` lists them")
    unknown = [key for key in wanted if key not in possible]
    if unknown:
        raise RapportError(f"not among those that may be sent again ({', '.join(NAMED)}): {', '.join(unknown)}")
    with http(running, running.admin_key) as client:
        for key in wanted:
            order = {"command": "resend", "argument": key, "who": getpass.getuser()}
            ask(client, "POST", "/v1/admin/commands", json=order)
    _await(files, {key: possible[key] for key in wanted})
    typer.echo(f"{len(wanted)} are being sent again; `rapport deliveries --status waiting,sent` shows them")


def not_sent(files: Files) -> dict[str, Send]:
    """By key, oldest first: everything that a person may send again."""
    with reading(files.ledger) as ledger:
        return {send.key: send for send in rows(ledger, NAMED, limit=-1) if may_be_sent_again(send)}


def _await(files: Files, before: dict[str, Send]) -> None:
    """Until each is open again, or has ended once more."""
    deadline = time.monotonic() + PATIENCE
    while any(key in before and before[key].at == send.at for key, send in not_sent(files).items()):
        if time.monotonic() > deadline:
            raise RapportError("it was ordered, and the engine has not done it yet: look at the log of `rapport up`")
        time.sleep(0.1)
