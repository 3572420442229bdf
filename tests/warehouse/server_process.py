"""ClickHouse's HTTP interface over chdb alone in a process, as `rapport clickhouse` runs it."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.warehouse.warehouse_process import ROOT, Answer

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

PASSWORD = "the-writers-password"
_PROGRAM = """
import sys
from pathlib import Path
from services.runtime import logs
from services.runtime.settings import Settings
from services.runtime.warehouse.server import serve
logs.configure("clickhouse")
serve(Settings(data=Path(sys.argv[1]), clickhouse_port=int(sys.argv[2])), lambda port: print(port, flush=True))
"""


class ServerProcess:
    """Start it, ask it, order it about, kill it, start it again at the same port."""

    def __init__(self, folder: Path, password: str = PASSWORD):
        self.folder, self.password, self.port = folder, password, 0
        self.child: subprocess.Popen[str] | None = None

    def start(self) -> "ServerProcess":
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "RAPPORT_WRITER_PASSWORD": self.password}
        command = [sys.executable, "-c", _PROGRAM, str(self.folder), str(self.port)]
        self.child = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE)
        assert self.child.stdout
        self.port = int(self.child.stdout.readline())
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        assert self.child
        self.child.kill()
        self.child.communicate()

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        assert self.child
        self.child.send_signal(signal.SIGTERM)
        self.child.communicate(timeout=20)
        return self.child.returncode

    def post(self, user: str, sql: str, body: bytes = b"", headers: dict[str, str] | None = None, **url: str) -> Answer:
        """One HTTP request as this user, as curl would send it."""
        named = {"X-ClickHouse-User": user, "X-ClickHouse-Key": self.password if user == "writer" else ""}
        address = f"{self.url}/?{urlencode({'query': sql, **url} if sql else url)}"
        request = urllib.request.Request(address, data=body, headers=named | (headers or {}), method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as response:
                return Answer(response.status, dict(response.headers.items()), response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers.items()), error.read())

    def client(self, user: str = "writer") -> "Client":
        """clickhouse-connect, as this user."""
        import clickhouse_connect
        from clickhouse_connect.driver.httputil import get_pool_manager

        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, username=user, password=self.password if user == "writer" else "",
            database="rapport", autogenerate_session_id=False, pool_mgr=get_pool_manager(),
        )  # fmt: skip

    def rows(self, sql: str) -> list[list[Any]]:
        """The rows of a reader's query that must succeed."""
        answer = self.post(
            "reader", sql, default_format="JSONCompactEachRow", output_format_json_quote_64bit_integers="0"
        )
        assert answer.status == 200, answer.body.decode()
        return [json.loads(line) for line in answer.body.splitlines()]
