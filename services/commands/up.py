"""`rapport up`: run the platform until Ctrl-C."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from services.commands.options import ConfigFolder, Data, settings_of
from services.commands.reach import files_of
from services.commands.show import remarks, warn
from services.configuration import load_config
from services.errors import RapportError
from services.runtime.doubts import doubts
from services.runtime.files import Running
from services.runtime.platform import Platform
from services.runtime.settings import Settings


def up(
    data: Data = None,
    config: ConfigFolder = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on; else 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The API's port; else 8080.")] = None,
    clickhouse_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port of ClickHouse's HTTP interface; else 8123.")
    ] = None,
) -> None:
    """Run the platform: collectors, engine and warehouse, until Ctrl-C.

    \b
    rapport up
    rapport up --data /var/lib/rapport --config /etc/rapport --port 9080
    """
    run(settings_of(data=data, config=config, host=host, port=port, clickhouse_port=clickhouse_port))


def run(settings: Settings) -> None:
    """Start, say where everything is, wait for Ctrl-C or SIGTERM, stop. Raises RapportError when a process ends."""
    config, platform, stopped = load_config(settings.config), Platform(settings), threading.Event()
    with until_asked_to_stop(stopped):
        try:
            welcome(settings, platform.start())
            for doubt in doubts(config, files_of(settings), os.environ):
                warn(doubt)
            ended = platform.family.watch(stopped)
        finally:
            platform.stop()
    if ended:
        raise RapportError(
            f"the {ended} process ended unexpectedly, so everything was stopped; its last words are above."
            " Nothing that was accepted is lost: start again with `rapport up`"
        )
    remarks().print("stopped; everything that was accepted is on disk")


@contextmanager
def until_asked_to_stop(stopped: threading.Event) -> Iterator[None]:
    """While inside, Ctrl-C and SIGTERM set the event instead of ending the process."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {one: signal.signal(one, lambda *_: stopped.set()) for one in signals}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def welcome(settings: Settings, running: Running) -> None:
    """Say where everything is."""
    remarks().print(
        f"[bold]Rapport is up[/bold]\n"
        f"  tracking and profile API  {running.url}  (docs: {running.url}/docs)\n"
        f"  ClickHouse                http://127.0.0.1:{running.clickhouse_port}  (user: reader)\n"
        f"  data                      {settings.data.resolve()}\n"
        f"  configuration             {settings.config.resolve()}\n"
        f"Ctrl-C ends it."
    )
