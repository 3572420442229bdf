"""`rapport replay`: build the state again from what was accepted."""

import getpass

import typer

from services.commands.options import Data, settings_of
from services.commands.reach import ask, files_of, http, reading, running_on
from services.commands.waiting import bars
from services.runtime import frames, standing
from services.runtime.archive import Archive


def replay(data: Data = None) -> None:
    """Build every profile again from the touchpoints that were accepted, and wait until that is done.

    Nothing is followed up a second time. The collectors go on accepting meanwhile. Use it after a change of traits or
    audiences, so that they hold for the whole history.

    \b
    rapport replay
    """
    settings = settings_of(data=data)
    running, files = running_on(settings), files_of(settings)
    with reading(files.log) as log:
        here = settings.model_copy(update={"clickhouse_port": running.clickhouse_port})
        Archive(here, frames.incarnation(log)).check(log)
    generation, target = standing.generation(files), standing.log_end(files)
    with http(running, running.admin_key) as client:
        ask(client, "POST", "/v1/admin/commands", json={"command": "rebuild", "who": getpass.getuser()})
    with bars() as told:
        standing.wait("beginning", lambda: standing.generation(files), generation + 1, told)
        standing.wait("replaying", lambda: standing.folded(files), target, told)
        standing.wait("taking back", lambda: standing.rebuilt(files), 1, told)
    typer.echo(f"generation {generation + 1} was built from {target:,} frames of touchpoints")
