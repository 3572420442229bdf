"""`rapport import`: events from files, through the same door as all others."""

import gzip
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple

import httpx
import typer

from services.commands import rows as reading
from services.commands.options import AsJson, ConfigFolder, Data, SourceName, settings_of
from services.commands.reach import http, running_on, said
from services.commands.rows import Row
from services.commands.send import reason
from services.commands.show import json_line, plain, progress, remarks
from services.commands.sources import chosen
from services.configuration import load_config
from services.errors import RapportError

NAMED = 20  # refused rows that are named one by one; --json names more
NAMED_AS_JSON = 10_000
TRIES = 8  # of one batch, when the platform is busy or away for a moment
ENVELOPE = 100  # bytes of a batch around its items


class Refused(NamedTuple):
    """One row that was refused, where it stands and why."""

    file: str
    line: int
    code: str
    reason: str


class Tally:
    """What became of the rows of one command."""

    def __init__(self) -> None:
        self.rows = self.accepted = self.duplicates = self.rejected = 0
        self.refused: list[Refused] = []

    def add(self, file: str, batch: list[Row], verdicts: list[dict[str, Any]]) -> None:
        """Book a batch with the verdicts on it."""
        for row, verdict in zip(batch, verdicts, strict=True):
            self.rows += 1
            self.accepted += verdict["status"] == "accepted"
            self.duplicates += verdict["status"] == "duplicate"
            if verdict["status"] == "rejected":
                self.rejected += 1
                if len(self.refused) < NAMED_AS_JSON:
                    why = row.problem or reason(verdict)
                    self.refused.append(Refused(file, row.number, verdict["code"], why))


def import_events(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="NDJSON, plain or .gz; - is standard input.")],
    source: SourceName = None,
    data: Data = None,
    config: ConfigFolder = None,
    as_json: AsJson = False,
) -> None:
    """Import Segment events: one JSON object a line, each with its `type`. Importing a file again doubles nothing.

    A row that is refused is named with its line and the reason, is kept by the platform (`rapport rejected`), and
    makes the command exit 1; all others are accepted. A row without messageId gets one made of its content. Without
    --source, the source called `import` is used, or else the first one. The times of rows are believed as far back as
    the source is trusted.

    \b
    rapport import events.ndjson
    rapport import 2024-*.ndjson.gz --source warehouse
    zcat old.gz | jq -c 'select(.type == "track")' | rapport import -
    """
    settings = settings_of(data=data, config=config)
    running, limits = running_on(settings), load_config(settings.config).limits
    key, most = chosen(settings.config, source, likely="import").write_key, limits.batch_bytes - ENVELOPE
    tally = Tally()
    with http(running) as client:
        for file in files:
            with opened(file, quiet=as_json) as (stream, moved):
                rows = reading.rows(stream, most)
                for batch in reading.batches(rows, limits.batch_events, most):
                    tally.add(file, batch, post(client, batch, key))
                    moved()
    tell(tally, as_json)
    if tally.rejected:
        raise typer.Exit(1)


@contextmanager
def opened(file: str, quiet: bool) -> Iterator[tuple[IO[bytes], Callable[[], None]]]:
    """A file's decompressed bytes, and what to call now and then so that its progress bar moves."""
    if file == "-":
        yield sys.stdin.buffer, lambda: None
        return
    try:
        with progress() as bar, Path(file).open("rb") as raw:
            task = bar.add_task(Path(file).name, total=Path(file).stat().st_size, visible=not quiet)
            stream: Any = gzip.GzipFile(fileobj=raw) if file.endswith(".gz") else raw
            yield stream, lambda: bar.update(task, completed=raw.tell())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise RapportError(f"{file} is not a whole gzip file ({error}); the batches before that were sent") from None
    except OSError as error:
        raise RapportError(f"{file} cannot be read: {error.strerror or error}") from None


def post(client: httpx.Client, batch: list[Row], key: str) -> list[dict[str, Any]]:
    """Send a batch until it is answered, and return the verdicts. Sending it again is harmless: its rows have ids."""
    content = b'{"batch":[' + b",".join(row.item for row in batch) + b"]}"
    where = f"the rows from line {batch[0].number} to {batch[-1].number}"
    for attempt in range(1, TRIES + 1):
        try:
            response = client.post("/v1/import", content=content, auth=(key, ""))
        except httpx.TransportError as error:
            problem, after = str(error) or type(error).__name__, 0.5
        else:
            if response.status_code == 200:
                verdicts: list[dict[str, Any]] = response.json()["items"]
                return verdicts
            problem, after = said(response), float(response.headers.get("retry-after", 0.5))
            if response.status_code not in (429, 503):
                break
        if attempt < TRIES:
            time.sleep(min(after, 30.0))
    raise RapportError(
        f"{where} could not be sent: {problem}. Those before them were. Run the same command again: nothing is doubled"
    )


def tell(tally: Tally, as_json: bool) -> None:
    """Print what became of the rows."""
    counts = {name: getattr(tally, name) for name in ("rows", "accepted", "duplicates", "rejected")}
    if as_json:
        json_line(counts | {"refused": [refused._asdict() for refused in tally.refused]})
        return
    console = remarks()
    for refused in tally.refused[:NAMED]:
        console.print(plain(f"{refused.file} line {refused.line}: {refused.reason}"), markup=False)
    if tally.rejected > NAMED:
        console.print(f"… and {tally.rejected - NAMED:,} more: `rapport rejected` lists them all")
    typer.echo(
        f"{tally.rows:,} rows: {tally.accepted:,} accepted, {tally.duplicates:,} known already,"
        f" {tally.rejected:,} refused"
    )
