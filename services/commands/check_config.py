"""`rapport check-config`: everything that is wrong with a configuration folder, at once."""

from pathlib import Path
from typing import Annotated

import typer

from services.commands.options import AsJson, ConfigFolder, settings_of
from services.commands.show import json_line, remarks, table, warn
from services.configuration import Config, load_config
from services.errors import ConfigError
from services.runtime.doubts import not_counted_yet
from services.runtime.files import Files


def check_config(
    folder: Annotated[Path | None, typer.Argument(metavar="[FOLDER]", help="The same as --config.")] = None,
    config: ConfigFolder = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Warn also of changes that do not count for this data yet.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a configuration folder: print every problem with file and line, or what is configured.

    Warnings name what is possible and probably not meant; with nothing but warnings the exit code is 0.

    \b
    rapport check-config
    rapport check-config /etc/rapport --json
    rapport check-config --data data
    """
    settings = settings_of(config=folder or config)
    try:
        found = load_config(settings.config)
    except ConfigError as error:
        if as_json:
            json_line({"ok": False, "problems": error.problems})
        else:
            for problem in error.problems:
                remarks().print(problem, markup=False)
        raise typer.Exit(1) from None
    counts = summary(found)
    warnings = [*found.warnings, *(not_counted_yet(found, Files(data.resolve())) if data else ())]
    if as_json:
        json_line({"ok": True, "config": counts, "warnings": warnings})
    else:
        for warning in warnings:
            warn(warning)
        table(
            f"{settings.config} is fine",
            ("what", "names"),
            [(what, ", ".join(names) or "none") for what, names in counts.items()],
        )


def summary(found: Config) -> dict[str, list[str]]:
    """The names of everything that is configured."""
    return {
        "sources": [f"{source.name} ({source.channel})" for source in found.sources],
        "identifier types": list(found.identity.types),
        "traits": [trait.name for trait in found.traits],
        "audiences": [audience.name for audience in found.audiences],
        "rules": [rule.name for rule in found.rules],
    }
