"""`rapport`: the command line, and the only place that picks a way to run."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from typing import Annotated, Any

import typer

from services.commands import (
    audit,
    check_config,
    deliveries,
    export,
    import_events,
    profile,
    query,
    rejected,
    replay,
    resend,
    restore,
    send,
    tail,
    up,
)
from services.commands.demo.command import demo
from services.commands.show import remarks
from services.errors import RapportError

app = typer.Typer(
    name="rapport",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    help="Rapport: touchpoints in, people and follow-ups out.",
)


def careful(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, with its ends told to people: a RapportError as one line and exit 1, Ctrl-C quietly as exit 130."""

    @wraps(command)
    def run(*args: Any, **named: Any) -> Any:
        try:
            return command(*args, **named)
        except RapportError as error:
            remarks().print(f"rapport: {error}", markup=False, style="red")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except BrokenPipeError:  # whoever read our output (head, say) has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None

    return run


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rapport {version('rapport')}")
        raise typer.Exit


@app.callback()
def rapport(
    shown: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Rapport: touchpoints in, people and follow-ups out."""


_PANELS: dict[str, dict[str, Callable[..., Any]]] = {
    "Run": {"demo": demo, "up": up.up, "check-config": check_config.check_config},
    "Events": {
        "send": send.send,
        "import": import_events.import_events,
        "tail": tail.tail,
        "rejected": rejected.rejected,
    },
    "People": {"profile": profile.profile, "query": query.query},
    "Follow-ups": {"deliveries": deliveries.deliveries, "resend": resend.resend},
    "The books": {"audit": audit.audit, "export": export.export, "restore": restore.restore, "replay": replay.replay},
}
for _panel, _commands in _PANELS.items():
    for _name, _command in _commands.items():
        app.command(_name, rich_help_panel=_panel)(careful(_command))


def main() -> None:
    """Run the command line."""
    app()
