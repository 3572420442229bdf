"""`rapport export`: everything that cannot be made again, as lines.

Each line is an object with one key, which says what it holds: `touchpoint` (an accepted touchpoint with its stamps,
byte for byte as the log had it), `follow_up` (a row of the ledger), `end` (how many of each there are). The order of
the lines does not matter. The ledger is written last, when delivery has heard of everything that was exported: else
a restored touchpoint could be followed up a second time.
"""

import gzip
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from schemas import fast
from services.commands.options import Data, settings_of
from services.commands.reach import files_of, running_on
from services.commands.show import progress, remarks
from services.commands.waiting import bars
from services.errors import RapportError
from services.runtime import frames, standing
from services.runtime.clickhouse_reader import connect
from services.runtime.files import Files
from services.runtime.followups import desk

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_COUNT = "SELECT count() FROM touchpoints"
_TOUCHPOINTS = "SELECT payload FROM touchpoints"


def export(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; compressed when it ends in .gz; - is stdout.")],
    data: Data = None,
) -> None:
    """Export the accepted touchpoints with their stamps, and the ledger of follow-ups, for `rapport restore`.

    \b
    rapport export backup.ndjson.gz
    rapport export - | jq -c 'select(.touchpoint.event == "Order Completed")'
    """
    settings = settings_of(data=data)
    running, files = running_on(settings), files_of(settings)
    with bars() as told:
        standing.wait("the warehouse", lambda: standing.archived(files, "touchpoints"), standing.log_end(files), told)
    client = connect(settings, running.clickhouse_port)
    with written(file) as out:
        touchpoints = _touchpoints(client, out)
        _until_delivery_knows(files)
        follow_ups = _ledger(files, out)
        out.write(b'{"end":' + fast.dumps({"touchpoints": touchpoints, "follow_ups": follow_ups}) + b"}\n")
    remarks().print(f"exported {touchpoints:,} touchpoints and {follow_ups:,} follow-ups to {file}", markup=False)


@contextmanager
def written(file: str) -> Iterator[IO[bytes]]:
    """A file to write to. It appears under its name only when it is whole."""
    if file == "-":
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    path, part = Path(file), Path(f"{file}.part")
    try:
        with part.open("wb") as raw:
            if file.endswith(".gz"):
                with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=5) as out:
                    yield out  # type: ignore[misc]
            else:
                yield raw
        part.replace(path)
    except OSError as error:
        raise RapportError(f"{file} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def _touchpoints(client: "Client", out: IO[bytes]) -> int:
    """Write a line for each accepted touchpoint of the archive. Returns how many there were."""
    written, rest = 0, b""
    with progress("touchpoints") as bar, client.raw_stream(_TOUCHPOINTS, fmt="TSVRaw") as stream:
        task = bar.add_task("exporting", total=int(client.command(_COUNT)))  # type: ignore[arg-type]
        for chunk in stream:
            *lines, rest = (rest + chunk).split(b"\n")
            out.writelines(b'{"touchpoint":' + line + b"}\n" for line in lines)
            written += len(lines)
            bar.update(task, completed=written)
    return written


def _until_delivery_knows(files: Files) -> None:
    """Until the engine and delivery have heard of everything that was accepted up to now."""
    with bars() as told:
        standing.wait("the engine", lambda: standing.folded(files), standing.log_end(files), told)
        with closing(frames.open_reader(files.state)) as state:
            incarnation, end = frames.incarnation(state), frames.end(state, "actions")
        standing.wait("delivery", lambda: standing.taken(files, incarnation), end, told)


def _ledger(files: Files, out: IO[bytes]) -> int:
    """Write a line for each row of the ledger. Returns how many there were."""
    number = 0
    for number, line in enumerate(desk.export(files.ledger), 1):  # noqa: B007
        out.write(b'{"follow_up":' + line + b"}\n")
    return number
