"""Migrations are applied once each, in order, and again after a crash; a changed one is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.errors import RapportError
from services.runtime.warehouse.migrations import load

ROOT = Path(__file__).parents[2]
_PROGRAM = """
import json, sys
from pathlib import Path
from services.errors import RapportError
from services.runtime.warehouse import migrations
from services.runtime.warehouse.engine import Engine

here = Path(sys.argv[1])
engine = Engine(here / "clickhouse")
said = {"names": []}


def applied():
    return engine.writer.query("SELECT number FROM schema_migrations ORDER BY number").result_rows


def attempt(word):
    try:
        said["names"].append(migrations.apply(engine.writer, here))
    except Exception as error:
        said[word] = f"{type(error).__name__}: {error}"


first, second = here / "0001_first.sql", here / "0002_second.sql"
first.write_text("CREATE TABLE IF NOT EXISTS a (n Int32) ENGINE = MergeTree ORDER BY n; -- the end;\\n")
attempt("first")
second.write_text("CREATE TABLE IF NOT EXISTS b (n Int32) ENGINE = MergeTree ORDER BY n; CREATE NONSENSE;")
attempt("broken")
said["after the broken one"] = applied()
second.write_text("CREATE TABLE IF NOT EXISTS b (n Int32) ENGINE = MergeTree ORDER BY n")
attempt("second")
attempt("again")
said["in the end"] = applied()
first.write_text(first.read_text() + "SELECT 1")
attempt("changed")
first.unlink(), second.rename(first)
attempt("newer")
print(json.dumps(said))
engine.close()
"""


def test_migrations_are_applied_once_each(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    said = json.loads(ran.stdout)
    assert "SYNTAX_ERROR" in said["broken"]
    assert said["after the broken one"] == [[1]]
    assert said["in the end"] == [[1], [2]]
    assert len(said["names"]) == 3
    assert len(set(said["names"])) == 1
    assert "0001_first.sql has changed" in said["changed"]
    assert "newer Rapport" in said["newer"]


def test_the_migrations_of_this_version_are_numbered_without_gaps() -> None:
    assert [one.number for one in load()] == list(range(1, len(load()) + 1))


def test_a_gap_in_the_numbers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0002_second.sql").write_text("SELECT 1")
    with pytest.raises(RapportError, match="without gaps"):
        load(tmp_path)
