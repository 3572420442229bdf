"""The commands that there are. Each is loaded when it is asked for: what one of them needs would make all slow."""

import inspect
import os
import sys
import tomllib
from collections.abc import Callable
from functools import wraps
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from services.commands import interruption

# panel: command: (module below services.commands, function in it, what `rapport --help` says about it)
_PANELS = {
    "Run": {
        "demo": ("demo.command", "demo", "See it work on 69,659 real purchases and one story."),
        "up": ("up", "up", "Run the platform until Ctrl-C."),
        "cluster": ("cluster", "CLUSTER", "Run it on Kafka, Redis and ClickHouse on this machine."),
        "worker": ("worker", "worker", "Run one process of a distributed platform."),
        "topics": ("topics", "TOPICS", "Make and list the topics on Kafka."),
        "clickhouse": ("clickhouse", "clickhouse", "Run a ClickHouse interface on this machine (chdb)."),
        "check-config": ("check_config", "check_config", "Check a configuration folder."),
    },
    "Events": {
        "send": ("send", "send", "Send one event, as a client would."),
        "import": ("import_events", "import_events", "Import events from files."),
        "tail": ("tail", "tail", "Follow a topic."),
        "rejected": ("rejected", "REJECTED", "What was refused, and why; mend it, send it again."),
        "plan": ("plan", "PLAN", "The tracking plan: propose one, and list violations."),
    },
    "People": {
        "profile": ("profile", "profile", "Show one person."),
        "account": ("account", "account", "Show one account, and who belongs to it."),
        "traits": ("traits", "TRAITS", "What is computed of people; fill in its history; its SQL."),
        "audience": ("audience", "audience", "Show who is in an audience, also before it runs."),
        "query": ("query", "query", "Ask ClickHouse in SQL."),
    },
    "Follow-ups": {
        "deliveries": ("deliveries", "deliveries", "List follow-ups, and what became of them."),
        "resend": ("resend", "resend", "Send follow-ups again."),
    },
    "The books": {
        "audit": ("audit", "audit", "Check that the books balance."),
        "export": ("export", "export", "Back up everything that was accepted."),
        "restore": ("restore", "restore", "Bring a backup back."),
        "replay": ("replay", "replay", "Build every profile again."),
    },
}
_PLACES = {name: place for commands in _PANELS.values() for name, place in commands.items()}


class Listed(TyperGroup):
    """The commands by name and one line each; the one that is called is loaded."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, (loaded(name) if name else command), rest


app = typer.Typer(
    name="rapport",
    cls=Listed,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    help="Rapport: touchpoints in, people and follow-ups out.",
)
for _panel, _commands in _PANELS.items():
    for _name, (_, _, _said) in _commands.items():
        app.command(_name, rich_help_panel=_panel, help=_said)(lambda: None)


def loaded(name: str) -> Any:
    """The command of this name, ready to run. A module's dict of functions is a command with commands below it; the one
    called "" is what it does without any of them."""
    module, function, said = _PLACES[name]
    command = getattr(import_module(f"services.commands.{module}"), function)
    if not isinstance(command, dict):
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(careful(command))
        return typer.main.get_command(alone)
    default = command.get("")
    group = typer.Typer(
        name=name, help=inspect.getdoc(default) if default else said, no_args_is_help=default is None,
        invoke_without_command=default is not None, add_completion=False, pretty_exceptions_enable=False,
    )  # fmt: skip
    if default is not None:
        group.callback()(_unless_below(default))
    for below, one in command.items():
        if below:
            group.command(below)(careful(one))
    return typer.main.get_command(group)


def _unless_below(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, which does nothing when one below it is called."""
    run, own = careful(command), inspect.signature(command)

    @wraps(command)
    def unless(ctx: typer.Context, **named: Any) -> Any:
        return run(**named) if ctx.invoked_subcommand is None else None

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    unless.__annotations__ = {"ctx": typer.Context, **command.__annotations__}
    unless.__signature__ = own.replace(parameters=[context, *own.parameters.values()])  # type: ignore[attr-defined]
    return unless


def careful(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, with its ends told to people: a RapportError as one line and exit 1, Ctrl-C quietly as exit 130."""
    from services.commands.show import remarks
    from services.errors import RapportError

    @wraps(command)
    def run(*args: Any, **named: Any) -> Any:
        interruption.interrupts()
        try:
            return command(*args, **named)
        except RapportError as error:
            remarks().print(f"rapport: {error}", markup=False, style="red")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(interruption.INTERRUPTED) from None
        except BrokenPipeError:  # whoever read our output (head, say) has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None

    return run


def version(distribution: str = "rapport") -> str:
    """The version that is installed; where none is, the one that the source tree is of."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        project = Path(__file__).parents[2] / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rapport {version()}")
        raise typer.Exit


@app.callback()
def rapport(
    shown: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Rapport: touchpoints in, people and follow-ups out."""
