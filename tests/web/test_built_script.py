"""The script that the collector serves is the one that its source makes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.web.chromium import ROOT, lacking

SCRIPT = ROOT / "sdk" / "web" / "rapport.min.js"


def test_the_built_script_is_that_of_its_source(tmp_path: Path) -> None:
    if not shutil.which("npm"):
        lacking("there is no Node")
    built = tmp_path / "built.js"
    done = subprocess.run(["bash", "scripts/web.sh", str(built)], cwd=ROOT, capture_output=True, text=True)
    if done.returncode and not os.environ.get("CI"):
        pytest.skip(done.stderr[-500:])
    assert not done.returncode, done.stderr
    assert built.read_text() == SCRIPT.read_text(), "run `make web`"
