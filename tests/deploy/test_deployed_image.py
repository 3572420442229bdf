"""The image: what it copies is enough for every process, nobody in particular runs it, and hadolint finds nothing."""

import json
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.deploy.deployed import DEPLOY, ROOT, pods, run, tool

DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
LAST = DOCKERFILE.rpartition("\nFROM ")[2]

(LEFT_OUT,) = re.findall(r"pip uninstall --yes (.*);", DOCKERFILE)
WITHOUT_CHDB = f"""
import importlib, os, pkgutil, sys
sys.modules |= dict.fromkeys({LEFT_OUT.split()})
import services, services.runtime.workers, services.runtime.kafka, services.runtime.redis
from services.ingest import browser
from services.runtime.warehouse import migrations
assert services.__file__.startswith(os.getcwd()), services.__file__
for package in (services.runtime.workers, services.runtime.kafka, services.runtime.redis):
    for one in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(one.name)
assert len(migrations.load()) > 10 and browser.SCRIPT.exists()
"""


def instructions(name: str, text: str = DOCKERFILE) -> list[str]:
    return re.findall(rf"^{name} (.*)$", text, re.MULTILINE)


def copied() -> list[str]:
    """What is copied from the repository: every source keeps its place."""
    found = []
    for line in instructions("COPY"):
        if not line.startswith("--from"):
            *sources, target = line.split()
            assert target == "./" or sources == [target]
            found += sources
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder /app of the image."""
    folder = tmp_path_factory.mktemp("app")
    for name in copied():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def inside(tree: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Python, with /app of the image and nothing else of the repository."""
    given = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *words], cwd=tree, env=given, capture_output=True, text=True, timeout=60)


def test_hadolint_finds_nothing() -> None:
    done = run(tool("python/bin/hadolint"), "--failure-threshold", "style", "deploy/Dockerfile")
    assert done.returncode == 0, done.stdout


def test_what_is_copied_is_sent_to_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
    assert sent == set(copied())


def test_every_worker_can_be_loaded_from_it_without_the_embedded_warehouse(tree: Path) -> None:
    assert "chdb" in LEFT_OUT
    done = inside(tree, "-c", WITHOUT_CHDB)
    assert done.returncode == 0, done.stderr


def test_the_command_line_runs_in_it(tree: Path) -> None:
    config = shutil.copytree(ROOT / "config", tree.parent / "config", dirs_exist_ok=True)
    done = inside(tree, "-m", "services", "check-config", str(config))
    assert done.returncode == 0, done.stdout + done.stderr


def test_something_missing_would_be_noticed(tree: Path, tmp_path: Path) -> None:
    less = Path(shutil.copytree(tree, tmp_path / "app"))
    shutil.rmtree(less / "deploy" / "clickhouse")
    assert inside(less, "-c", WITHOUT_CHDB).returncode != 0


def test_nobody_in_particular_runs_it_and_it_hears_sigterm() -> None:
    (user,) = instructions("USER", LAST)
    (pod,) = {(one["securityContext"]["runAsUser"], one["securityContext"]["runAsGroup"]) for one in pods({}).values()}
    assert user == f"{pod[0]}:{pod[1]}"
    assert f"--uid {pod[0]}" in LAST and f"--gid {pod[1]}" in LAST
    assert instructions("ENTRYPOINT", LAST) == ['["rapport"]']
    assert instructions("STOPSIGNAL", LAST) == ["SIGTERM"]
    assert "constraints.txt" in DOCKERFILE.partition("--constraint ")[2].splitlines()[0]


def test_its_python_is_one_that_rapport_runs_on() -> None:
    found = {re.fullmatch(r"python:3\.(\d+)-slim-bookworm( AS \w+)?", line) for line in instructions("FROM")}
    (minor,) = {int(one[1]) for one in found if one}
    assert None not in found
    assert 11 <= minor <= 13


@pytest.mark.parametrize(("status", "said", "code"), [(200, "", 0), (503, "Kafka cannot be reached", 1)])
def test_the_health_check_tells_why_a_worker_is_not_ready(status: int, said: str, code: int) -> None:
    class Worker(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Worker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = run(sys.executable, DEPLOY / "healthcheck.py", str(server.server_port))
        server.shutdown()
    assert (done.returncode, done.stderr.strip()) == (code, said)


def test_the_health_check_runs_from_where_it_is_copied() -> None:
    (line,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", LAST, re.MULTILINE)
    assert json.loads(line)[1] in copied()
