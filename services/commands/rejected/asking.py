"""Which refused items a command is about, and the warehouse that has them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from services.commands.reach import files_of, running_on
from services.commands.waiting import bars
from services.runtime import standing
from services.runtime.clickhouse_reader import connect
from services.runtime.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

Code = Annotated[str, typer.Option(metavar="CODE", help="Only those refused with this code.")]
OfSource = Annotated[str, typer.Option("--source", metavar="NAME", help="Only those of this source.")]
Field = Annotated[str, typer.Option(metavar="PATH", help="Only those with this field wrong.")]
Resolved = Annotated[bool, typer.Option("--resolved", help="Also those that came in later.")]


@contextmanager
def asking(settings: Settings) -> Iterator["Client"]:
    """A client of the warehouse, once it has everything that was refused or accepted so far."""
    files, port = files_of(settings), running_on(settings).clickhouse_port
    with bars(quiet=not sys.stderr.isatty()) as told:
        for topic in ("rejected", "touchpoints"):
            end = standing.log_end(files, topic)
            standing.wait("the warehouse", partial(standing.archived, files, topic), end, told)
    with connect(settings, port) as client:
        yield client
