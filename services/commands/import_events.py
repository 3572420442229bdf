"""`rapport import`: events from files, through the same door as all others."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from services.commands.imports import judging
from services.commands.imports.importing import Way, import_file
from services.commands.imports.proposing import propose
from services.commands.imports.sending import Tally
from services.commands.options import AsJson, ConfigFolder, Data, SourceName, settings_of
from services.commands.reach import files_of, http, running_on
from services.commands.show import json_line, plain, remarks
from services.commands.sources import chosen
from services.configuration import load_config
from services.errors import RapportError
from services.ingest.imports.mapping import load

NAMED = 20  # refused rows that are named one by one; --json names more


def import_events(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="CSV, Parquet or NDJSON, plain or .gz; - is standard input.")
    ],
    mapping: Annotated[
        Path | None, typer.Option(metavar="MAP.yaml", help="Which column is what. Needed for CSV and Parquet.")
    ] = None,
    source: SourceName = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge everything, send nothing.")] = False,
    sample: Annotated[int | None, typer.Option(min=1, help="With --dry-run: so many rows of each file.")] = None,
    suggest: Annotated[bool, typer.Option("--suggest", help="Print a mapping that may fit the file.")] = False,
    rejected_to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where FILE.rejected.csv is written; else beside FILE.")
    ] = None,
    data: Data = None,
    config: ConfigFolder = None,
    as_json: AsJson = False,
) -> None:
    """Import events. NDJSON has one Segment event a line; for any other file a mapping says which column is what.

    Importing a file again doubles nothing, and an import that was interrupted goes on where it was. A row that is
    refused is named, lies with its reason in FILE.rejected.csv (or .ndjson), and makes the command exit 1; all others
    are accepted. Without --source, the source called `import` is used, or else the first one. The times of rows are
    believed as far back as the source is trusted. docs/imports.md tells everything.

    \b
    rapport import events.ndjson.gz
    rapport import orders.csv --suggest > orders.map.yaml
    rapport import orders.csv --mapping orders.map.yaml --dry-run
    rapport import orders.csv --mapping orders.map.yaml --source shop
    zcat old.gz | jq -c 'select(.type == "track")' | rapport import -
    """
    if suggest:
        propose(files)
        return
    if sample and not dry_run:
        raise RapportError("--sample goes with --dry-run: an import takes all rows")
    settings = settings_of(data=data, config=config)
    found, sender = load_config(settings.config), chosen(settings.config, source, likely="import")
    way = Way(sender, found.limits, load(mapping) if mapping else None, rejected_to, quiet=as_json)
    if dry_run:
        tally, first = judging.dry_run(way, files, judging.judge(found, sender), sample)
        judging.tell(tally, first, as_json)
    else:
        tally, kept = Tally(), []
        with http(running_on(settings)) as client:
            for file in files:
                own, refused = import_file(way, file, client, files_of(settings))
                tally.join(own)
                kept += [refused] if refused else []
        _tell(tally, kept, as_json)
    if tally.rejected:
        raise typer.Exit(1)


def _tell(tally: Tally, kept: Sequence[Path], as_json: bool) -> None:
    """Print what became of the rows."""
    if as_json:
        rest = {"refused": [one._asdict() for one in tally.refused], "rejected_files": list(map(str, kept))}
        json_line(tally.counts() | rest)
        return
    console = remarks()
    for one in tally.refused[:NAMED]:
        console.print(plain(f"{one.file} line {one.line}: {one.reason}"), markup=False)
    if tally.rejected > len(tally.refused[:NAMED]):
        console.print(f"… and {tally.rejected - len(tally.refused[:NAMED]):,} more")
    for file in kept:
        console.print(f"refused rows, with their reasons: {file}", markup=False)
    if tally.unsent:
        console.print(f"{tally.unsent:,} of them could not be made into events: they are in that file only")
    typer.echo(
        f"{tally.rows:,} rows: {tally.accepted:,} accepted, {tally.duplicates:,} known already,"
        f" {tally.rejected:,} refused"
    )
