"""A file to import, opened as what it is: CSV, Parquet or NDJSON, also compressed."""

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from services.errors import ConfigError, RapportError
from services.ingest.imports import ndjson_file
from services.ingest.imports.calls import Calls
from services.ingest.imports.csv_file import CsvFile
from services.ingest.imports.mapping import Csv, MappingFile
from services.ingest.imports.ndjson_file import NdjsonFile
from services.ingest.imports.row import Row, mapped

_NDJSON = (".ndjson", ".jsonl", ".json")
_CSV = (".csv", ".tsv", ".txt")


class Opened(NamedTuple):
    """The rows of a file; `done` and `total` say how far it is read (bytes or rows, 0: nobody knows). `csv` is how the
    file is written if it is CSV, with the names of its `columns`."""

    rows: Iterator[Row]
    done: Callable[[], int]
    total: int
    csv: Csv | None = None
    columns: tuple[str, ...] = ()


def form(file: str, is_mapped: bool) -> str:
    """csv, parquet or ndjson, by the file's name. A name that says nothing is NDJSON, and CSV for a mapping."""
    ending = Path(file.removesuffix(".gz")).suffix.lower()
    if ending in (".parquet", ".pq"):
        return "parquet"
    if ending in _NDJSON:
        return "ndjson"
    return "csv" if ending in _CSV or is_mapped else "ndjson"


@contextmanager
def opened(file: str, mapping: MappingFile | None, source: str, longest: int) -> Iterator[Opened]:
    """The file's rows. What is wrong with the file is told with its name; rows of `longest` bytes cannot be sent."""
    kind = form(file, mapping is not None)
    if mapping is None and kind != "ndjson":
        raise RapportError(f"{file} needs --mapping; `rapport import --suggest {file}` proposes one")
    try:
        if kind == "parquet" and mapping:
            yield _parquet(file, mapping, source, longest)
            return
        with _bytes(file) as (stream, raw):
            total = Path(file).stat().st_size if file != "-" else 0
            done = raw.tell if total else lambda: 0
            yield _text(kind, stream, mapping, source, longest)._replace(done=done, total=total)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RapportError(f"{file} is not a whole gzip file ({error}); the rows before that are through") from None
    except OSError as error:
        raise RapportError(f"{file} cannot be read: {error.strerror or error}") from None
    except ConfigError:
        raise
    except RapportError as error:
        raise RapportError(f"{file}: {error}") from None


@contextmanager
def _bytes(file: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The decompressed stream, and the raw one below it."""
    if file == "-":
        yield sys.stdin.buffer, sys.stdin.buffer
        return
    with Path(file).open("rb") as raw:
        stream: Any = gzip.GzipFile(fileobj=raw) if file.endswith(".gz") else raw
        yield stream, raw


def _text(kind: str, stream: IO[bytes], mapping: MappingFile | None, source: str, longest: int) -> Opened:
    if mapping is None:
        return Opened(ndjson_file.rows(stream, longest), lambda: 0, 0)
    if kind == "ndjson":
        return Opened(_mapped(NdjsonFile(stream, longest), mapping, source, longest), lambda: 0, 0)
    found = CsvFile(stream, mapping.mapping.csv)
    rows = _mapped(found, mapping, source, longest)
    return Opened(rows, lambda: 0, 0, mapping.mapping.csv, tuple(found.columns))


def _parquet(file: str, mapping: MappingFile, source: str, longest: int) -> Opened:
    from services.ingest.imports.parquet_file import ParquetFile  # pyarrow, which others need not pay for

    if file == "-" or file.endswith(".gz"):
        raise RapportError("Parquet is read from a file that is not compressed once more")
    found, read = ParquetFile(Path(file)), 0

    def counted(rows: Iterator[Row]) -> Iterator[Row]:
        nonlocal read
        for row in rows:
            read = row.number
            yield row

    return Opened(counted(_mapped(found, mapping, source, longest)), lambda: read, found.count)


def _mapped(found: Any, mapping: MappingFile, source: str, longest: int) -> Iterator[Row]:
    """The rows as calls. Raises ConfigError with every column of the mapping that the file does not have."""
    wanted = mapping.mapping
    problems = [
        mapping.document.problem(place, why) for place, column in wanted.places() if (why := found.lacks(column))
    ]
    if problems:
        raise ConfigError(problems)
    return mapped(found.rows(wanted.columns), Calls(wanted, source), longest)
