"""`rapport clickhouse`: ClickHouse's HTTP interface on this machine, for a cluster that is tried out on one."""

from typing import Annotated, Any

import typer

from services.commands.options import Data, settings_of
from services.commands.show import remarks
from services.runtime import logs
from services.runtime.warehouse.server import serve


def clickhouse(
    data: Data = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port; else 8123.")] = None,
) -> None:
    """Run a ClickHouse interface on this machine, until Ctrl-C.

    It is chdb (ClickHouse as a library) in one process, which answers HTTP on 127.0.0.1 as a server does: for trying a
    cluster out, and for tests. In production `rapport worker warehouse` writes to a ClickHouse server; nothing else
    changes, not even the tables.

    The user `writer` has the password in RAPPORT_WRITER_PASSWORD (without it nobody can write), the user `reader` the
    one in RAPPORT_READER_PASSWORD (without it this machine may read).

    \b
    RAPPORT_WRITER_PASSWORD=secret rapport clickhouse
    RAPPORT_WRITER_PASSWORD=secret rapport clickhouse --data /var/lib/rapport --port 9123
    """
    settings = settings_of(data=data, clickhouse_port=port)
    logs.configure("clickhouse")

    def ready(port: Any) -> None:
        writer = "users: reader, writer" if settings.writer_password else "user: reader; no RAPPORT_WRITER_PASSWORD"
        remarks().print(f"ClickHouse answers at http://127.0.0.1:{port} ({writer}); Ctrl-C ends it")

    serve(settings, ready)
    remarks().print("stopped; everything that was inserted is on disk")
