"""`rapport restore`: what was exported, into a platform that is up. In any order, and as often as one likes."""

import gzip
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import httpx
import msgspec
import typer

from schemas.fast import Touchpoint
from services.commands.options import Data, settings_of
from services.commands.reach import ask, http, running_on
from services.commands.show import progress
from services.errors import RapportError, Rejected
from services.runtime.followups import desk

BATCH = 4 * 1024 * 1024  # bytes of lines in one request


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """One line of an export: exactly one of these is there (see services/commands/export.py)."""

    touchpoint: msgspec.Raw = msgspec.Raw()
    follow_up: msgspec.Raw = msgspec.Raw()
    end: dict[str, int] = {}


class Contents(NamedTuple):
    """How many of what there are, and how many there should be by the `end` lines."""

    touchpoints: int
    follow_ups: int
    should: tuple[int, int] | None


_line = msgspec.json.Decoder(Line).decode
_touchpoint = msgspec.json.Decoder(Touchpoint).decode


def restore(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Exports, plain or .gz; - is standard input.")],
    partial: Annotated[
        bool, typer.Option("--partial", help="Restore what is there of an export that is not whole.")
    ] = False,
    data: Data = None,
) -> None:
    """Restore exports into a platform that is up, an empty one or not. What it has already is not doubled.

    The ledger comes first, so nothing is followed up that was followed up before. Follow-ups that were still open when
    they were exported become `uncertain` and wait for a person (`rapport deliveries`).

    \b
    rapport up --data fresh &
    rapport restore backup.ndjson.gz --data fresh
    """
    running = running_on(settings_of(data=data))
    with seekable(files) as paths:
        contents = checked(paths)
        if not partial and contents.should != contents[:2]:
            raise RapportError(_not_whole(contents))
        with http(running, running.admin_key) as client:
            _send(client, "/v1/admin/ledger", paths, "follow_up", contents.follow_ups)
            _send(client, "/v1/admin/restore", paths, "touchpoint", contents.touchpoints)
    typer.echo(
        f"restored {contents.touchpoints:,} touchpoints and {contents.follow_ups:,} follow-ups;"
        " `rapport audit` waits until they are folded, and says whether the books balance"
    )


@contextmanager
def seekable(files: list[str]) -> Iterator[list[Path]]:
    """The files, to be read more than once; standard input is copied to a temporary file."""
    with tempfile.TemporaryDirectory(prefix="rapport-restore-") as folder:
        paths = []
        for file in files:
            if file == "-":
                paths.append(Path(folder) / "stdin")
                with paths[-1].open("wb") as copy:
                    shutil.copyfileobj(sys.stdin.buffer, copy)
            else:
                paths.append(Path(file))
        yield paths


def lines(paths: Iterable[Path]) -> Iterator[tuple[Path, int, Line]]:
    """Every line with its place. Raises RapportError for one that is none of an export."""
    for path in paths:
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
                for number, text in enumerate(stream, 1):
                    if text.strip():
                        yield path, number, _line(text)
        except msgspec.DecodeError as error:
            raise RapportError(f"{path} line {number} is not of an export by `rapport export`: {error}") from None
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise RapportError(f"{path} is not a whole gzip file: {error}") from None
        except OSError as error:
            raise RapportError(f"{path} cannot be read: {error.strerror or error}") from None


def checked(paths: Iterable[Path]) -> Contents:
    """Read everything once before anything is sent: what is there, and is each line what it says?"""
    touchpoints = follow_ups = 0
    should: tuple[int, int] | None = None
    for path, number, line in lines(paths):
        try:
            if line.touchpoint:
                _touchpoint(line.touchpoint)
                touchpoints += 1
            elif line.follow_up:
                desk.restored(bytes(line.follow_up), number, now=0)
                follow_ups += 1
            else:
                before = should or (0, 0)
                should = (before[0] + line.end["touchpoints"], before[1] + line.end["follow_ups"])
        except (msgspec.DecodeError, KeyError, Rejected) as error:
            raise RapportError(f"{path} line {number} is not what `rapport export` wrote: {error}") from None
    return Contents(touchpoints, follow_ups, should)


def _not_whole(contents: Contents) -> str:
    found = f"{contents.touchpoints:,} touchpoints and {contents.follow_ups:,} follow-ups"
    if contents.should is None:
        said = "it has no `end` line"
    else:
        said = "its `end` line says {:,} and {:,}".format(*contents.should)
    return f"the export is not whole: there are {found}, and {said}. --partial restores what is there"


def _send(client: httpx.Client, path: str, files: Iterable[Path], kind: str, total: int) -> None:
    """Send all lines of one kind, in bounded requests, each of which is on disk when it is answered."""
    with progress(f"{kind}s".replace("_", "-")) as bar:
        task = bar.add_task("restoring", total=total)
        waiting: list[bytes] = []
        size = 0
        for _, _, line in lines(files):
            text = bytes(getattr(line, kind))
            if not text:
                continue
            waiting.append(text)
            size += len(text) + 1
            if size > BATCH:
                _post(client, path, waiting)
                bar.advance(task, len(waiting))
                waiting, size = [], 0
        if waiting:
            _post(client, path, waiting)
            bar.advance(task, len(waiting))


def _post(client: httpx.Client, path: str, lines: list[bytes]) -> None:
    ask(client, "POST", path, content=b"\n".join(lines), headers={"content-type": "application/x-ndjson"})
