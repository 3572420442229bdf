"""`rapport import --suggest`: a mapping that may fit a file."""

import csv
import gzip
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from services.commands.imports.opening import form
from services.errors import RapportError
from services.ingest.imports.csv_file import CsvFile
from services.ingest.imports.line import Line
from services.ingest.imports.mapping import Csv
from services.ingest.imports.proposal import proposal, quoted

LOOKED_AT = 200  # rows
_DELIMITERS = ",;\t|"
_ENCODINGS = ("utf-8", "gb18030", "windows-1252")


def propose(files: Sequence[str]) -> None:
    """Print the mapping. Raises RapportError when it cannot be proposed for this file."""
    file, *more = files
    if more or file == "-":
        raise RapportError("--suggest looks at one file, by its name")
    kind = form(file, is_mapped=True)
    if kind == "ndjson":
        raise RapportError(f"{file}: --suggest is for CSV and Parquet; NDJSON of Segment's events needs no mapping")
    try:
        sys.stdout.write(_parquet(Path(file)) if kind == "parquet" else _csv(Path(file)))
    except OSError as error:
        raise RapportError(f"{file} cannot be read: {error.strerror or error}") from None


def _parquet(path: Path) -> str:
    from services.ingest.imports.parquet_file import ParquetFile  # pyarrow, which others need not pay for

    found = ParquetFile(path)
    return proposal(_columns(found.columns, found.rows(found.columns)))


def _csv(path: Path) -> str:
    options = _options(_beginning(path))
    with _stream(path) as stream:
        found = CsvFile(stream, options)
        columns = [column for column in found.columns if not found.lacks(column)]
        said = {name: quoted(getattr(options, name)) for name in sorted(options.model_fields_set)}
        extra = [f"csv: {{{', '.join(f'{name}: {value}' for name, value in said.items())}}}"] if said else []
        return proposal(_columns(columns, found.rows(columns)), extra)


def _columns(columns: Sequence[str], rows: Iterable[Line]) -> dict[str, list[Any]]:
    """The values of each column in the first rows, without empty ones."""
    cells = [line.cells for line in islice(rows, LOOKED_AT) if line.cells]
    found = {name: [row[at] for row in cells] for at, name in enumerate(columns)}
    return {name: [value for value in values if value not in (None, "")] for name, values in found.items()}


def _options(beginning: bytes) -> Csv:
    """The encoding that reads the beginning of the file, and the delimiter that its first line has most often."""
    encoding = next(name for name in (*_ENCODINGS, "iso-8859-1") if _decodes(beginning, name))
    first = next(csv.reader(beginning.decode(encoding).splitlines()[:1], delimiter="\0"), [""])
    delimiter = max(_DELIMITERS, key="".join(first).count)
    said = {"encoding": encoding} if encoding != "utf-8" else {}
    return Csv.model_validate(said | ({"delimiter": delimiter} if delimiter != "," else {}))


def _beginning(path: Path) -> bytes:
    """Whole lines from the beginning of the file, about 64 KB."""
    with _stream(path) as stream:
        return stream.read(65_536).rpartition(b"\n")[0]


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _stream(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
