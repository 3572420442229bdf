"""The notebook for analysts runs from its first cell to its last, against a real warehouse."""

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from schemas.identifiers import profile_id
from tests.warehouse.warehouse_lines import NOW, line, touchpoint
from tests.warehouse.warehouse_process import WarehouseProcess

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
DAY = 86_400_000


def _some_shopping() -> list[bytes]:
    events = ("Product Viewed", "Checkout Started", "Order Completed")
    return [
        touchpoint(
            n, event=events[n % 3], timestamp=NOW + n * DAY, received_at=NOW + n * DAY, evidence_at=NOW + n * DAY
        )
        for n in range(120)
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_and_draws(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = WarehouseProcess(tmp_path / "warehouse").start()
    process.publish("touchpoints", _some_shopping())
    profile = line(
        "profiles", workspace="main", profile_id=profile_id("main", "user_id:u1"), version=1,
        identifiers=["user_id:u1"], touchpoints=5,
    )  # fmt: skip
    process.publish("profiles", [profile])
    process.caught_up()
    process.caught_up("profiles")
    monkeypatch.setenv("RAPPORT_CLICKHOUSE_PORT", str(process.port))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook: Any = nbformat.read(path, as_version=4)
    try:
        NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": ROOT}}).execute()
    finally:
        assert process.stop() == 0
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    drawn = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(drawn) >= 3
    assert not [output for output in outputs if output.output_type == "error"]


def test_notebooks_are_kept_without_what_they_answered() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        notebook: Any = nbformat.read(path, as_version=4)
        assert not any(cell.get("outputs") for cell in notebook.cells), f"{path.name}: clear its outputs"
