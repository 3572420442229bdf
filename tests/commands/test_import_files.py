"""`rapport import` of files with a mapping on a real platform: tried out, imported, mended, killed and gone on with."""

import csv
import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.commands.using_rapport import Command, unbalanced
from tests.e2e.running import RAPPORT, Platform, eventually

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def orders(tmp_path: Path) -> tuple[str, str]:
    """The documented example, in a folder of its own: (file, mapping)."""
    for name in ("orders.csv", "orders.map.yaml"):
        shutil.copy(EXAMPLES / name, tmp_path)
    return str(tmp_path / "orders.csv"), str(tmp_path / "orders.map.yaml")


def test_a_dry_run_says_what_the_import_then_does_and_sends_nothing(rapport: Command, orders: tuple[str, str]) -> None:
    words = ("import", orders[0], "--mapping", orders[1])
    before = rapport("tail", "--no-follow", "--json").stdout
    dry = rapport(*words, "--dry-run", "--json")
    assert dry.exit_code == 1 and rapport("tail", "--no-follow", "--json").stdout == before
    assert not list(Path(orders[0]).parent.glob("*.rejected.*"))
    shown = rapport(*words, "--dry-run", "--sample", "4")
    assert "4 rows: 3 would be accepted, 1 refused. Nothing was sent" in shown.stdout and "1.234,50" in shown.stdout
    real = json.loads(rapport(*words, "--json").stdout)
    told = json.loads(dry.stdout)
    assert [call["userId"] for call in told["calls"]] == ["C-17", "C-18", "C-17"]
    assert real["refused"] == told["refused"] and [row["line"] for row in real["refused"]] == [5, 6]
    counted = ("rows", "accepted", "rejected", "unsent")
    assert [real[name] for name in counted] == [told[name] for name in counted] == [5, 3, 2, 1]


def test_refused_rows_lie_beside_the_file_and_are_imported_when_they_are_mended(
    rapport: Command, orders: tuple[str, str]
) -> None:
    words = ("--mapping", orders[1], "--json")
    first = json.loads(rapport("import", orders[0], *words).stdout)
    (refused,) = map(Path, first["rejected_files"])
    with refused.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert [(row["row"], row["field"], row["Amount"]) for row in rows] == [
        ("5", "properties.total", "12.50 €"), ("6", "userId", "3,00"),
    ]  # fmt: skip
    mended = refused.with_name("mended.csv")
    mended.write_text(refused.read_text(encoding="utf-8").replace("12.50 €", "12,50").replace("1005;;", "1005;C-20;"))
    again = json.loads(rapport("import", str(mended), *words).stdout)
    assert (again["accepted"], again["rejected"], again["rejected_files"]) == (2, 0, [])
    everything = json.loads(rapport("import", orders[0], str(mended), *words).stdout)
    assert (everything["accepted"], everything["duplicates"]) == (0, 5)
    card = json.loads(rapport("profile", "user_id:C-17", "--json").stdout)
    assert card["computed"]["spent"] == 1306.9 and not unbalanced(rapport)


def test_what_is_proposed_for_a_file_can_be_used(rapport: Command, orders: tuple[str, str], tmp_path: Path) -> None:
    proposed = rapport("import", "--suggest", orders[0])
    file = tmp_path / "proposed.yaml"
    file.write_text(proposed.stdout, encoding="utf-8")
    assert 'format: "%d.%m.%Y %H:%M"' in proposed.stdout and "id: [Order No]" in proposed.stdout
    done = json.loads(rapport("import", orders[0], "--mapping", str(file), "--dry-run", "--json").stdout)
    assert (done["rows"], done["accepted"]) == (5, 4), "only the row that names nobody is refused"


def test_what_does_not_fit_together_is_told(rapport: Command, orders: tuple[str, str], tmp_path: Path) -> None:
    file, said = orders
    assert "needs --mapping" in rapport("import", file).stderr
    assert "--sample goes with --dry-run" in rapport("import", file, "--mapping", said, "--sample", "3").stderr
    Path(said).write_text(Path(said).read_text(encoding="utf-8").replace("column: Amount", "column: Amuont"))
    assert f'{said}, line 11: there is no column "Amuont"' in rapport("import", file, "--mapping", said).stderr
    assert "no such file" in rapport("import", str(tmp_path / "no.ndjson")).stderr.lower()
    (tmp_path / "empty.csv").write_bytes(b"")
    assert "is empty" in rapport("import", str(tmp_path / "empty.csv"), "--mapping", said).stderr


def test_an_import_that_is_killed_goes_on_where_it_was(rapport: Command, up: Platform, tmp_path: Path) -> None:
    rows, bad = 24_000, 80
    file, said = tmp_path / "many.csv", tmp_path / "many.yaml"
    lines = (f"k{n % 5_000},{'x' if n % (rows // bad) == 7 else n}" for n in range(rows))
    file.write_text("\n".join(["who,n", *lines]))
    said.write_text("type: track\nevent: Killed\nuserId: who\nproperties: {n: {column: n, type: number}}\n")
    words = ("import", str(file), "--mapping", str(said))
    running = subprocess.Popen(
        [*RAPPORT, *words], env=up.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    (state,) = eventually(lambda: list((up.data / "imports").glob("*.json")))
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=20)
    come = json.loads(state.read_text())["row"]
    assert 0 < come < rows and list((up.data / "imports").glob("*.json"))
    done = rapport(*words)
    assert f"going on after line {come:,}" in done.stderr
    assert f"{rows:,} rows: " in done.stdout and f" {bad} refused" in done.stdout
    refused = Path(f"{file}.rejected.csv").read_text().splitlines()
    assert len(refused) == bad + 1 and len(set(refused)) == bad + 1
    told = rapport("tail", "--no-follow", "--json").stdout.splitlines()
    found = {one["message_id"] for one in map(json.loads, told) if one["event"] == "Killed"}
    assert len(found) == rows - bad and not list((up.data / "imports").glob("*.json"))
    assert not unbalanced(rapport)
