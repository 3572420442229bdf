"""Where the CDNOW file comes from: a wheel on PyPI that carries it, read without being installed, then the cache.

`Lifetimes` (MIT) ships the file among its data sets; its dependencies are old, so only the wheel itself is fetched,
with pip or uv, as the user has set them up (index, proxy, certificates).
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from services.errors import RapportError

PACKAGE = "Lifetimes==0.11.3"
MEMBER = "lifetimes/datasets/CDNOW_master.txt"
SIZE = 1_950_500  # bytes
DIGEST = "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef"  # SHA-256
PATIENCE = 300.0  # seconds for one download

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def fetch(cache: Path, run: Run | None = None) -> str:
    """The text of the file, from the cache or else from the wheel. `run` starts pip or uv.

    Raises RapportError, which says how to get the file by hand, when it cannot be had.
    """
    kept = cache / "CDNOW_master.txt"
    if kept.is_file() and _right(data := kept.read_bytes()):
        return data.decode("ascii")
    data = _download(kept, run or _run)
    cache.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(f".{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(kept)
    return data.decode("ascii")


def _download(kept: Path, run: Run) -> bytes:
    reasons = []
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder:
        for name, command in _ways(folder):
            try:
                done = run(command)
            except (OSError, subprocess.TimeoutExpired) as error:
                reasons.append(f"{name}: {error}")
                continue
            data = _found(Path(folder))
            if data is not None and _right(data):
                return data
            said = (done.stderr.strip() or "it brought another file").splitlines()
            reasons.append(f"{name}: {said[-1]}")
    raise RapportError(
        f"the demo's data could not be downloaded: it is inside the wheel of {PACKAGE} on PyPI.\n  "
        + "\n  ".join(reasons or ["neither pip nor uv is here"])
        + "\nIs the network there? On a machine without it, fetch that wheel elsewhere"
        f" (pip download --no-deps {PACKAGE}),\nand put its {MEMBER} here as {kept}"
    )


def _ways(folder: str) -> list[tuple[str, list[str]]]:
    """The commands that can bring the wheel: of this environment's pip, and of uv, which environments it made need."""
    ways = []
    if importlib.util.find_spec("pip"):
        options = ["--no-deps", "--only-binary", ":all:", "--quiet", "--dest", folder]
        ways.append(("pip", [sys.executable, "-m", "pip", "download", *options, PACKAGE]))
    if uv := shutil.which("uv"):
        options = ["--no-deps", "--only-binary", ":all:", "--quiet", "--target", folder, "--python", sys.executable]
        ways.append(("uv", [uv, "pip", "install", *options, PACKAGE]))
    return ways


def _run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    environment = {"UV_SYSTEM_CERTS": "1"} | os.environ
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


def _found(folder: Path) -> bytes | None:
    """The file inside the wheel that pip left, or laid out by uv; None when it is not there."""
    if (folder / MEMBER).is_file():
        return (folder / MEMBER).read_bytes()
    for wheel in sorted(folder.glob("*.whl")):
        with zipfile.ZipFile(wheel) as opened:
            if MEMBER in opened.namelist():
                return opened.read(MEMBER)
    return None


def _right(data: bytes) -> bool:
    return len(data) == SIZE and sha256(data).hexdigest() == DIGEST
