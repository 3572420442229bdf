"""What dashboards and alerts ask for is counted: names and labels of metrics are the code's own, and alerts go off."""

import ast
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from services.commands.worker import ALONE
from services.pipeline import STAGES
from services.runtime.settings import Settings
from tests.deploy.deployed import DEPLOY, ROOT, compose, run, tool

DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "rapport.json").read_text(encoding="utf-8"))
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
SUFFIXES = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_sum", "_count")}
FROM_PROMETHEUS = {"le", "job", "instance"}
NOT_SHOWN = {
    "rapport_stage_seconds_total",  # the embedded engine's
    "rapport_lag_frames",  # the same
    "rapport_trimmed_frames_total",  # the same: Kafka trims its own log
}


class Metric(NamedTuple):
    """A metric of the code: the names of its samples and its labels."""

    samples: tuple[str, ...]
    labels: set[str]


def registered(source: str) -> list[Metric]:
    """The metrics that a module makes."""
    found = []
    for node in ast.walk(ast.parse(source)):
        kind = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        if isinstance(node, ast.Call) and kind in SUFFIXES and node.args and isinstance(node.args[0], ast.Constant):
            name = str(node.args[0].value).removesuffix("_total")
            labels = {str(one) for given in node.args[2:3] for one in ast.literal_eval(given)}
            found.append(Metric(tuple(name + suffix for suffix in SUFFIXES[kind]), labels))
    return found


def known() -> dict[str, set[str]]:
    """The labels of every sample that our processes show."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "services").rglob("*.py"))
    return {sample: one.labels for text in sources for one in registered(text) for sample in one.samples}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def asked() -> dict[str, str]:
    """Every expression, by where it stands."""
    shown = {f"panel {one['title']} {target['refId']}": target["expr"] for one in panels() for target in one["targets"]}
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return shown | {f"alert {one['alert']}": one["expr"] for one in group["rules"]}


def unknown(expression: str, metrics: dict[str, set[str]]) -> set[str]:
    """The names and labels in an expression that no process shows."""
    names = set(re.findall(r"\b(?:rapport|process)_\w+", expression))
    ours = {name for name in names if name.startswith("rapport_")}
    labels = {label for inside in re.findall(r"\{(.*?)\}", expression) for label in re.findall(r"(\w+)\s*[=!]", inside)}
    labels |= {label for inside in re.findall(r"\bby \((.*?)\)", expression) for label in inside.split(", ")}
    have = set().union(*(metrics.get(name, set()) for name in ours)) | FROM_PROMETHEUS
    return (ours - metrics.keys()) | (labels - have)


def test_every_expression_asks_for_what_is_counted() -> None:
    metrics = known()
    assert not {where: unknown(expression, metrics) for where, expression in asked().items() if
                unknown(expression, metrics)}  # fmt: skip


def test_everything_that_is_counted_is_shown() -> None:
    shown = " ".join(asked().values())
    for one in (metric for path in (ROOT / "services").rglob("*.py") for metric in registered(path.read_text())):
        assert any(sample in shown or sample in NOT_SHOWN for sample in one.samples), one.samples


def test_what_an_alert_or_a_line_is_called_by_is_a_label_of_it() -> None:
    for panel in panels():
        for target in panel["targets"]:
            grouped = set(re.findall(r"\bby \((.*?)\)", target["expr"])) or {"instance"}
            labels = {label for one in grouped for label in one.split(", ")}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels, panel["title"]


def test_prometheus_accepts_its_configuration_and_the_alerts() -> None:
    done = run(tool("promtool"), "check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_go_off_when_they_should_and_not_before() -> None:
    done = run(tool("promtool"), "test", "rules", str(Path(__file__).parent / "alerts_go_off.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_understands_every_panel(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{index}", "expr": expression.replace("$__rate_interval", "5m")}
        for index, expression in enumerate(asked().values())
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    done = run(tool("promtool"), "check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_looks_at_every_process_at_its_port() -> None:
    given = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    looked = {
        name: found["port"]
        for job in given["scrape_configs"]
        for found in job["dns_sd_configs"]
        for name in found["names"]
    }
    assert looked == dict.fromkeys((*ALONE, *STAGES), Settings.model_fields["health_port"].default)
    assert looked.keys() <= compose()["services"].keys()


def test_grafana_finds_the_dashboard_and_its_data() -> None:
    folder = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text(encoding="utf-8"))["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "rapport.yaml").read_text(encoding="utf-8"))["providers"]
    mounted = [one.split(":")[1] for one in compose()["services"]["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounted
    assert {panel["datasource"]["uid"] for panel in panels()} == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"


def test_no_panel_lies_on_another() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for spot in ((x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])):  # fmt: skip
            assert taken.setdefault(spot, panel["title"]) == panel["title"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("sum by (stage) (rapport_lag_messages)", set()),
        ("rate(rapport_frame_seconds_bucket[5m])", set()),
        ("rapport_lag", {"rapport_lag"}),
        ("rapport_stage_messages", {"rapport_stage_messages"}),
        ("sum by (step) (rapport_lag_messages)", {"step"}),
        ('rapport_failing{step="fold"}', {"step"}),
    ],
)
def test_the_checks_can_fail(expression: str, wrong: set[str]) -> None:
    stages = {name: {"stage"} for name in ("rapport_lag_messages", "rapport_frame_seconds_bucket")}
    metrics = stages | {"rapport_failing": {"part"}}
    assert unknown(expression, metrics) == wrong
