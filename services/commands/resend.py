"""`rapport resend`: send follow-ups again that ended badly."""

import getpass
import time
from typing import Annotated

import typer

from services.commands.options import Data, settings_of
from services.commands.reach import ask, files_of, http, reading, running_on
from services.errors import RapportError
from services.runtime.files import Files
from services.runtime.followups.desk import AGAIN
from services.runtime.followups.ledger import rows

PATIENCE = 15.0  # seconds until the engine must have heard it


def resend(
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY…", help="Keys that `rapport deliveries` lists.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that ended badly.")] = False,
    data: Data = None,
) -> None:
    """Send follow-ups again that are dead, failed or uncertain. Conditions and consent are checked once more.

    \b
    rapport resend main/welcome/6f9a…/0
    rapport resend --all
    """
    settings = settings_of(data=data)
    running, files = running_on(settings), files_of(settings)
    ended = ended_badly(files)
    wanted = sorted(ended) if everything else list(keys or [])
    if not wanted and not everything:
        raise RapportError("say which: KEY, or --all; `rapport deliveries` lists them")
    unknown = [key for key in wanted if key not in ended]
    if unknown:
        raise RapportError(f"not among those that ended badly (see `rapport deliveries`): {', '.join(unknown)}")
    with http(running, running.admin_key) as client:
        for key in wanted:
            order = {"command": "resend", "argument": key, "who": getpass.getuser()}
            ask(client, "POST", "/v1/admin/commands", json=order)
    _await(files, ended, wanted)
    typer.echo(f"{len(wanted)} are being sent again; `rapport deliveries --status waiting,sent` shows them")


def ended_badly(files: Files) -> dict[str, int]:
    """The keys that ended badly, with the time (epoch ms) at which each did."""
    with reading(files.ledger) as ledger:
        return {send.key: send.at for send in rows(ledger, AGAIN, limit=-1)}


def _await(files: Files, before: dict[str, int], wanted: list[str]) -> None:
    """Until each is open again, or has ended once more."""
    deadline = time.monotonic() + PATIENCE
    while any(before[key] == at for key, at in ended_badly(files).items() if key in wanted):
        if time.monotonic() > deadline:
            raise RapportError("it was ordered, and the engine has not done it yet: look at the log of `rapport up`")
        time.sleep(0.1)
