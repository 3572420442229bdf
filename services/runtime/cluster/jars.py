"""Kafka's jars, fetched from Maven Central once and kept in the cache."""

import os
import shutil
import subprocess
import tempfile
from hashlib import blake2b
from pathlib import Path

from services.errors import RapportError
from services.runtime.cluster.programs import java, maven

DEPLOY = Path(__file__).parents[3] / "deploy" / "kafka"
POM = DEPLOY / "pom.xml"
FETCH_WITHIN = 600.0  # seconds; 80 MB


def jars(cache: Path) -> Path:
    """The folder that holds them, below `cache`. Its name comes from the pom's content, and it appears at once when all
    of it is there, so that any number of processes may ask. Raises RapportError when they cannot be fetched."""
    kept = cache / f"kafka-{blake2b(POM.read_bytes(), digest_size=6).hexdigest()}"
    if not kept.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="kafka-fetching-") as folder:
            fetched = Path(folder) / "jars"
            _fetch(fetched)
            try:
                fetched.rename(kept)
            except OSError:
                if not kept.is_dir():  # else another process was quicker
                    raise
    return kept


def _fetch(into: Path) -> None:
    command = [str(maven()), "-q", "-B", "-C", "-f", str(POM), "dependency:copy-dependencies"]
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={into}"]
    environment = os.environ | {"JAVA_HOME": os.environ.get("JAVA_HOME") or str(java().resolve().parents[1])}
    try:
        done = subprocess.run(
            command + options, env=environment, capture_output=True, text=True, timeout=FETCH_WITHIN, check=False
        )
    except subprocess.TimeoutExpired:
        raise RapportError(
            f"Maven did not fetch Kafka's jars within {FETCH_WITHIN:.0f} s: is the network slow?"
        ) from None
    if done.returncode or not into.is_dir():
        shutil.rmtree(into, ignore_errors=True)
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[:6])
        raise RapportError(f"Maven could not fetch Kafka's jars; it needs the network once. It said:\n{said}")
