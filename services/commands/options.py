"""The options that many commands share, and the settings that they make."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from services.errors import RapportError
from services.runtime.settings import Settings

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="The folder that holds everything. [RAPPORT_DATA; default: data]"),
]
ConfigFolder = Annotated[
    Path | None,
    typer.Option("--config", metavar="DIR", help="The configuration folder. [RAPPORT_CONFIG; default: config]"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
InWorkspace = Annotated[
    str | None, typer.Option("--workspace", metavar="NAME", help="Only of this workspace; else of all.")
]
SourceName = Annotated[
    str | None, typer.Option("--source", metavar="NAME", help="The source of config/ whose write key is used.")
]


def settings_of(**given: Any) -> Settings:
    """The settings: what was given on the command line (not None), else the environment, else the defaults."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problems = (f"RAPPORT_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise RapportError("a setting is wrong: " + "; ".join(problems)) from None
