"""One file after the other: rows to the collector, refused ones into a file, and how far it came onto the disk."""

from pathlib import Path
from typing import NamedTuple

import httpx

from services.commands.imports.opening import Opened, opened
from services.commands.imports.progress import shown
from services.commands.imports.refused_rows import RefusedRows
from services.commands.imports.resuming import Standing, standing_of
from services.commands.imports.sending import ENVELOPE, Tally, answered
from services.commands.show import remarks
from services.ingest.imports.mapping import MappingFile
from services.ingest.imports.row import batches
from services.ingest.sources import Limits, Source
from services.runtime.files import Files


class Way(NamedTuple):
    """What all files of one command go by. `rejected_to` is the folder for refused rows; None: beside each file."""

    source: Source
    limits: Limits
    mapping: MappingFile | None
    rejected_to: Path | None
    quiet: bool

    @property
    def most(self) -> int:
        """The bytes that the items of one batch may have."""
        return self.limits.batch_bytes - ENVELOPE


def import_file(way: Way, file: str, client: httpx.Client, files: Files) -> tuple[Tally, Path | None]:
    """What became of the file's rows, and the file of those that were refused, if there were any."""
    own = Tally()
    with opened(file, way.mapping, way.source.name, way.most) as found:
        refused = _refused_rows(way, file, found)
        standing = _standing(way, file, refused, files)
        own.resume(standing.counts)
        if standing.row:
            remarks().print(f"{file}: going on after line {standing.row:,}", markup=False)
        refused.begin(standing.refused_size)
        with shown(file, found, own.rows, way.quiet) as moved:
            rest = (row for row in found.rows if row.number > standing.row)
            cut = batches(rest, way.limits.batch_events, way.most)
            for batch, verdicts in answered(client, cut, way.source.write_key):
                refused.write(own.add(file, batch, verdicts))
                standing.note(batch[-1].number, refused.size, own)
                moved(own.rows)
        refused.close()
    standing.done()
    return own, refused.path if refused.size else None


def _refused_rows(way: Way, file: str, found: Opened) -> RefusedRows:
    if file == "-" and way.mapping is None:
        return RefusedRows(None)  # the platform has all events that it refused
    name = f"{Path(file).name if file != '-' else 'stdin'}.rejected.{'csv' if found.csv else 'ndjson'}"
    folder = way.rejected_to or (Path(file).parent if file != "-" else Path())
    return RefusedRows(folder / name, found.columns, found.csv)


def _standing(way: Way, file: str, refused: RefusedRows, files: Files) -> Standing:
    if file == "-" or refused.path is None:
        return Standing(None)
    said = repr((way.source.name, way.source.workspace, way.mapping and way.mapping.mapping))
    return standing_of(files, file, refused.path, said)
