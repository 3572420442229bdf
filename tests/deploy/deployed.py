"""The files of deploy/ as those read them who run them, and the tools that judge them (scripts/deploy-tools.sh)."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "rapport"
TOOLS = ROOT / ".cache" / "deploy"
IMAGE = "rapport"
EVERYTHING: dict[str, Any] = {
    "autoscaling": {"enabled": True, "triggerAuthentication": "kafka"},
    "monitoring": {"enabled": True},
    "networkPolicy": {"enabled": True},
    "ingest": {"ingress": {"enabled": True, "host": "cdp.example.com", "tlsSecret": "tls", "className": "nginx"}},
    "kafka": {"prefix": "eu.", "security": "sasl_ssl", "user": "rapport", "caSecret": "kafka-ca"},
    "environment": {"RAPPORT_PUBLIC_URL": "https://cdp.example.com", "RAPPORT_SMTP_PORT": 587},
    "image": {"pullSecrets": ["registry"]},
    "pod": {"annotations": {"team": "crm"}, "nodeSelector": {"pool": "cdp"}, "priorityClassName": "high"},
}


class Container(NamedTuple):
    """A container of ours: where it is written, the words behind `rapport`, its environment and its ports."""

    where: str
    words: list[str]
    environment: dict[str, str]
    ports: list[int]


def lacking(what: str) -> NoReturn:
    """A laptop may lack it, CI may not."""
    told = f"{what}: run `bash scripts/deploy-tools.sh`"
    pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)


def tool(path: str) -> Path:
    """A file of .cache/deploy."""
    found = TOOLS / path
    return found if found.exists() else lacking(f"{path} is missing")


def run(*words: str | Path, given: str = "", cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """A program with the packages of .cache/deploy."""
    environment = {**os.environ, "PYTHONPATH": str(TOOLS / "python")}
    return subprocess.run(words, input=given, capture_output=True, text=True, cwd=cwd, env=environment, timeout=60)


def compose() -> dict[str, Any]:
    """compose.yaml with its merges, its variables as they stand."""
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8")))


def workers_of(services: Mapping[str, Any]) -> Iterator[Container]:
    """Our own services of a compose file."""
    for name, service in services.items():
        if service["image"].startswith(f"{IMAGE}:"):
            environment = {key: str(value) for key, value in service["environment"].items()}
            ports = [int(one.rpartition(":")[2]) for one in service.get("ports", [])]
            yield Container(f"compose: {name}", service["command"], environment, ports)


def charted(*values: Mapping[str, Any], folder: Path = CHART) -> dict[str, Any]:
    """What Helm finds wrong with the chart, and what it makes of each of the values."""
    tool("python/helm_python")
    done = run(sys.executable, Path(__file__).parent / "render_chart.py", str(folder), given=json.dumps(values))
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@cache
def _rendered(values: str) -> tuple[dict[str, Any], ...]:
    (made,) = charted(json.loads(values))["rendered"]
    assert "error" not in made, made["error"]
    pages = [page for path, page in made.items() if path.endswith(".yaml")]
    return tuple(one for page in pages for one in yaml.safe_load_all(page) if one)


def manifests(values: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """What the chart makes of the values, as Kubernetes would get it."""
    return _rendered(json.dumps(values))


def pods(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The pods' specifications by kind and name."""
    return {
        f"{one['kind']} {one['metadata']['name']}": one["spec"]["template"]["spec"]
        for one in manifests(values)
        if "template" in one.get("spec", {})
    }


def containers(values: Mapping[str, Any]) -> list[Container]:
    """The containers of these pods."""
    return [
        Container(
            f"chart: {where}",
            one["args"],
            {each["name"]: each["value"] for each in one["env"]},
            [each["containerPort"] for each in one.get("ports", [])],
        )
        for where, pod in pods(values).items()
        for one in pod["containers"]
    ]


def all_containers() -> list[Container]:
    """Every container of ours, of compose.yaml and of the chart."""
    return [*workers_of(compose()["services"]), *containers({}), *containers(EVERYTHING)]


def texts() -> dict[Path, str]:
    """Every file of deploy/ that people write, but the tables."""
    return {
        path: path.read_text(encoding="utf-8")
        for path in sorted(DEPLOY.rglob("*"))
        if path.is_file() and "clickhouse" not in path.relative_to(DEPLOY).parts[:1] and "config" not in path.parts
    }


def example() -> dict[str, tuple[bool, str]]:
    """The variables of .env.example: whether each must be set, and its value."""
    lines = (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()
    found = (re.fullmatch(r"(# )?([A-Z_]+)=(.*)", line) for line in lines)
    return {one[2]: (one[1] is None, one[3]) for one in found if one}
