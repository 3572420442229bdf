"""A real platform in processes of its own, with real sinks: what the end-to-end tests drive."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
from typer.testing import CliRunner, Result

from services.commands.application import app
from services.runtime.files import Files, Running, find_running

START = 60.0
RAPPORT = [sys.executable, "-m", "services"]


class Platform:
    """`rapport up` on a folder, as a user starts it."""

    def __init__(self, data: Path, config: Path, environment: dict[str, str]):
        self.data, self.config = data, config
        self.environment = {**os.environ, **environment, "RAPPORT_DATA": str(data), "RAPPORT_CONFIG": str(config)}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0  # any
        self.running: Running

    def start(self) -> None:
        """Start it and wait until it has told where it is."""
        self.data.mkdir(parents=True, exist_ok=True)
        log = (self.data / "up.log").open("ab")
        command = [*RAPPORT, "up", "--port", str(self.port), "--clickhouse-port", "0"]
        self._process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)
        self.running = eventually(self._announced, START)

    def _announced(self) -> Running | None:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError((self.data / "up.log").read_text()[-4000:])
        found = find_running(Files(self.data))
        return found if found and found.pid == self._process.pid else None

    def stop(self) -> None:
        """As Ctrl-C does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(40) == 0, (self.data / "up.log").read_text()[-4000:]

    def kill(self) -> None:
        """kill -9 of every process at once: nothing gets a chance to tidy up."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        time.sleep(0.2)

    def command(self, *words: str, stdin: bytes | None = None) -> Result:
        """One command of the command line on this platform, in this process: starting another would take most of the
        time."""
        return CliRunner().invoke(app, list(words), input=stdin, env=self.environment, catch_exceptions=False)

    def rapport(self, *words: str) -> str:
        """One command that must end well; its standard output."""
        done = self.command(*words)
        assert done.exit_code == 0, f"{words} ended with {done.exit_code}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def post(self, call: str, body: dict[str, Any], key: str = "key-server") -> dict[str, Any]:
        """One call of the tracking API; the answer."""
        request = urllib.request.Request(f"{self.running.url}/v1/{call}", json.dumps(body).encode(), method="POST")
        request.add_header("Authorization", "Basic " + b64encode(f"{key}:".encode()).decode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.load(answer))

    def profile(self, kind: str, value: str) -> dict[str, Any] | None:
        """Look a person up."""
        found = httpx.get(f"{self.running.url}/v1/profiles/by/{kind}/{value}", timeout=30)
        return dict(found.json()) if found.status_code == 200 else None

    def select(self, sql: str) -> Sequence[Sequence[Any]]:
        """Rows from the warehouse, by the ordinary client."""
        with clickhouse_connect.get_client(host="127.0.0.1", port=self.running.clickhouse_port) as client:
            return client.query(sql).result_rows


def eventually(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Look until there is something, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {look}"
        time.sleep(0.05)
    return found


@contextmanager
def platform(data: Path, config: Path, **environment: str) -> Iterator[Platform]:
    """A platform that is up, and stopped cleanly at the end."""
    one = Platform(data, config, environment)
    one.start()
    try:
        yield one
    finally:
        if one._process is not None and one._process.poll() is None:
            one.stop()
