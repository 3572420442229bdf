"""`rapport traits`: what is computed of people and accounts, since when; its history filled in; its SQL."""

import getpass
import time
from typing import Annotated

import typer

from services.commands.options import ConfigFolder, Data, settings_of
from services.commands.reach import ask, files_of, http, reading, running_on
from services.commands.show import table
from services.commands.waiting import bars
from services.configuration import load_config
from services.errors import RapportError
from services.profile import fill
from services.profile.sql import accounts_sql, audience_sql, traits_sql
from services.runtime import backfill, counted, standing
from services.runtime.files import Files
from services.runtime.standing import Told

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Traits; else all that lack history.")]


def traits(data: Data = None, config: ConfigFolder = None) -> None:
    """List what is counted of people and accounts, and whether its history is there.

    \b
    rapport traits
    rapport traits backfill
    rapport traits sql big_spenders
    """
    settings = settings_of(data=data, config=config)
    definitions = load_config(settings.config).definitions
    with reading(files_of(settings).state) as state:
        known = counted.read(state)
    rows = [(key.partition("@")[0], event, _history(known.get(key))) for key, event in fill.keys(definitions).items()]
    table("counted of people and accounts", ("what", "of the event", "history"), rows)


def _history(ranges: counted.Ranges | None) -> str:
    if ranges is None:
        return "not counted yet: start the platform with this configuration"
    lacking = counted.missing(ranges)
    return (
        f"lacks {sum(end - start for start, end in lacking):,} frames: rapport traits backfill" if lacking else "whole"
    )


def fill_in(names: Names = None, data: Data = None, config: ConfigFolder = None) -> None:
    """Fill in the history of new and changed traits and counted events from the archive, and wait until that is done.

    The platform goes on meanwhile. Nobody is followed up by it: who is in an audience by the past did not enter it now.

    \b
    rapport traits backfill
    rapport traits backfill lifetime_value last_product
    """
    settings = settings_of(data=data, config=config)
    running, files = running_on(settings), files_of(settings)
    definitions = load_config(settings.config).definitions
    for name in names or ():
        if name not in definitions.by_name and name not in definitions.accounts.by_name:
            raise RapportError(f"there is no trait `{name}` in {settings.config}; `rapport traits` lists them")
    with reading(files.state) as state:
        known = counted.read(state)
    if unknown := [key.partition("@")[0] for key in fill.keys(definitions) if key not in known]:
        raise RapportError(f"the platform runs without {', '.join(unknown)}: start it again with this configuration")
    with http(running, running.admin_key) as client:
        order = {"command": "backfill", "argument": ",".join(names or ()), "who": getpass.getuser()}
        ask(client, "POST", "/v1/admin/commands", json=order)
    ordered = standing.log_end(files, "commands")
    with bars() as told:
        standing.wait("beginning", lambda: standing.obeyed(files), ordered, told)
        done = _wait(files, told)
    typer.echo(f"filled in from {done:,} touchpoints")


def _wait(files: Files, told: Told) -> int:
    """Until the back-fill is over; how many touchpoints it took."""
    at, since, done = "", time.monotonic(), 0
    while True:
        with reading(files.state) as state:
            now = backfill.state(state)
        if now is None:
            return done
        done = now["done"]
        told("filling in", done, max(now["of"] or 0, done + 1))
        if (here := str(now)) != at:
            at, since = here, time.monotonic()
        if time.monotonic() - since > standing.PATIENCE:
            raise RapportError(
                f"the back-fill has not moved for {standing.PATIENCE:.0f} seconds; it goes on by itself when it can:"
                " look at the log of `rapport up`"
            )
        time.sleep(standing.PAUSE)


def sql(name: Annotated[str, typer.Argument(help="A trait or an audience.")], config: ConfigFolder = None) -> None:
    """Print the ClickHouse SQL of a trait or an audience: the same definition, over the archive.

    Its parameters are `workspace` and `now` (milliseconds since 1970).

    \b
    rapport traits sql big_spenders > big.sql
    curl "http://127.0.0.1:8123/?param_workspace=main&param_now=$(date +%s%3N)" --data-binary @big.sql
    """
    definitions = load_config(settings_of(config=config).config).definitions
    if name in definitions.by_name:
        typer.echo(traits_sql(definitions, [name]))
    elif name in definitions.accounts.by_name:
        typer.echo(accounts_sql(definitions, [name]))
    elif name in dict(definitions.who):
        typer.echo(audience_sql(definitions, name))
    else:
        raise RapportError(f"there is no trait and no audience `{name}`; `rapport traits` lists the traits")


TRAITS = {"": traits, "backfill": fill_in, "sql": sql}
