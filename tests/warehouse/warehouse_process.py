"""A warehouse process on a folder of its own, and what the other processes would have published for it."""

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from schemas.topics import TOPICS
from services.runtime import frames, standing
from services.runtime.files import Files

ROOT = Path(__file__).parents[2]
_PROGRAM = """
import sys
from pathlib import Path
from services.runtime import logs
from services.runtime.settings import Settings
from services.runtime.warehouse import writer
from services.runtime.warehouse.process import serve
writer.IDLE = writer.PAUSE = 0.01  # tests wait for every line
logs.configure("warehouse")
serve(Settings(data=Path(sys.argv[1]), clickhouse_port=int(sys.argv[2])), lambda port: print(port, flush=True))
"""


class WarehouseProcess:
    """Start it, publish to it, ask it, kill it."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None):
        self.files = Files(folder)
        self._environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"} | (environment or {})
        self.port = _free_port()
        paths = {"log": self.files.log, "state": self.files.state, "ledger": self.files.ledger}
        folder.mkdir(parents=True, exist_ok=True)
        self.written = {name: frames.open_file(path) for name, path in paths.items()}
        self.child: subprocess.Popen[str] | None = None

    def start(self) -> "WarehouseProcess":
        command = [sys.executable, "-c", _PROGRAM, str(self.files.folder), str(self.port)]
        self.child = subprocess.Popen(
            command, env=self._environment, cwd=self.files.folder, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.child.stdout
        if not self.child.stdout.readline():
            raise RuntimeError(self.last_words())
        return self

    def last_words(self) -> str:
        """Wait for its end; what it said on standard error."""
        assert self.child
        return self.child.communicate(timeout=20)[1]

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

    def publish(self, topic: str, lines: Iterable[bytes]) -> None:
        """One frame."""
        producers = TOPICS[topic].producers
        db = self.written["log" if "collectors" in producers else "ledger" if "delivery" in producers else "state"]
        frames.append(db, topic, frames.end(db, topic), 0, list(lines))

    def caught_up(self, topic: str = "touchpoints") -> None:
        """Wait until the watermark is at the topic's end."""
        db = next(db for db in self.written.values() if frames.end(db, topic))
        deadline = time.monotonic() + 20
        while standing.archived(self.files, topic) < frames.end(db, topic):
            assert time.monotonic() < deadline, "the warehouse does not move on"
            assert self.child and self.child.poll() is None, self.last_words()
            time.sleep(0.02)

    def watermarks(self) -> sqlite3.Connection:
        return sqlite3.connect(self.files.warehouse, isolation_level=None)

    def get(self, sql: str, headers: dict[str, str] | None = None, body: bytes | None = None, **url: str) -> "Answer":
        """One HTTP request, as curl would send it."""
        address = f"http://127.0.0.1:{self.port}/?{urlencode({'query': sql, **url} if sql else url)}"
        request = urllib.request.Request(address, data=body, headers=headers or {})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as response:
                return Answer(response.status, dict(response.headers.items()), response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers.items()), error.read())

    def rows(self, sql: str, **url: str) -> list[list[Any]]:
        """The rows of a query that must succeed; decimals and large numbers as text."""
        answer = self.get(
            sql, default_format="JSONCompactEachRow", output_format_json_quote_decimals="1",
            output_format_json_quote_64bit_integers="0", **url,
        )  # fmt: skip
        assert answer.status == 200, answer.body.decode()
        return [json.loads(line) for line in answer.body.splitlines()]

    def one(self, sql: str) -> Any:
        """The one value that a query gives."""
        ((value,),) = self.rows(sql)
        return value


class Answer:
    """A response; header names in lower case."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes):
        self.status, self.body = status, body
        self.headers = {name.lower(): value for name, value in headers.items()}

    @property
    def code(self) -> int:
        """ClickHouse's exception code, 0 without one."""
        return int(self.headers.get("x-clickhouse-exception-code", 0))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
