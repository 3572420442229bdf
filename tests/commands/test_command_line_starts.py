"""The command line before a command begins: it is quick to help, knows its version, and Ctrl-C is never a traceback."""

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from services.commands.application import app, loaded, version

ROOT = Path(__file__).parents[2]
HEAVY = {"pydantic", "httpx", "yaml", "liquid", "phonenumbers", "uvicorn", "chdb", "services.runtime"}


@pytest.mark.parametrize("words", [("-m", "services"), ("-c", "from services.cli import main; main()")])
@pytest.mark.parametrize("reached", ["typer.core", "pydantic.main", "services.runtime.settings", "uvicorn.config"])
def test_ctrl_c_while_modules_are_loaded_ends_it_quietly(words: tuple[str, str], reached: str, tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", *words, "up", "--data", str(tmp_path), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as starting:
        assert starting.stderr is not None and starting.stdout is not None
        while (line := starting.stderr.readline()).rpartition("| ")[2].strip() != reached:
            assert line, f"{reached} is not loaded"
        starting.send_signal(signal.SIGINT)
        said = [line for line in starting.stderr if not line.startswith("import time:")]
        assert (starting.wait(30), said, starting.stdout.read()) == (130, [], "")


def test_help_and_version_load_none_of_what_the_commands_need() -> None:
    names = (
        "import sys, services.commands.application as a; a.app(standalone_mode=False); print(*sys.modules, sep='\\n')"
    )
    for option in ("--help", "--version"):
        done = subprocess.run(
            [sys.executable, "-c", names, option], cwd=ROOT, capture_output=True, text=True, check=True
        )
        modules = set(done.stdout.split())
        assert "services.commands.application" in modules and not modules & HEAVY


def test_the_version_is_known_with_and_without_an_installation() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert version("no-such-distribution") == project["version"]
    done = subprocess.run([sys.executable, "-m", "services", "--version"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"rapport {version()}\n")


@pytest.mark.parametrize("name", [command.name for command in app.registered_commands])
def test_every_command_that_is_listed_can_be_loaded(name: str) -> None:
    assert loaded(name).name == name
