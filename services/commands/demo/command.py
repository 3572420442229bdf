"""`rapport demo`: the whole platform at work on real purchases and one story, compared with what must come of them."""

from typing import Annotated

import typer

from services.commands.options import ConfigFolder, Data, settings_of
from services.commands.show import remarks
from services.errors import RapportError


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the summary instead of staying up.")] = False,
    rows: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only CDNOW's first N purchases.")] = None,
    data: Data = None,
    config: ConfigFolder = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The API's port. [default: 8080]")] = None,
    clickhouse_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port of ClickHouse's HTTP interface. [default: 8123]")
    ] = None,
) -> None:
    """See it work: 69,659 real purchases and one story become profiles, audiences and follow-ups.

    Every figure is compared with what it must be; exits 1 when one differs. Then the platform stays up until Ctrl-C.
    A second run finds its data again: nothing is counted or sent twice.

    \b
    rapport demo
    rapport demo --once --data /tmp/try --port 0 --clickhouse-port 0
    """
    try:
        from services.commands.demo.run import run
    except ModuleNotFoundError as missing:
        raise RapportError(f"the demo needs the package {missing.name}: pip install 'rapport[demo]'") from None
    settings = settings_of(data=data, config=config, port=port, clickhouse_port=clickhouse_port)
    try:
        right = run(settings, rows, stay=not once)
    except KeyboardInterrupt:
        remarks().print("stopped; everything that was accepted is on disk, and the next run goes on from there")
        raise typer.Exit(130) from None
    if not right:
        raise typer.Exit(1)
