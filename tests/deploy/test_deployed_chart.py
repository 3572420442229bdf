"""The chart: Helm finds nothing wrong, Kubernetes accepts what it makes, and its pods may do no more than they must."""

import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import jsonschema_rs
import pytest
import yaml

from schemas.topics import TOPICS
from services.configuration import load_config
from services.ingest import browser
from services.ingest.api import ROUTES
from services.ingest.pixel import PIXELS
from services.pipeline import STAGES
from services.runtime.mail_back import api as mail_back
from tests.deploy.deployed import CHART, EVERYTHING, ROOT, charted, manifests, pods, tool

OWN = {"ScaledObject", "PodMonitor", "PrometheusRule"}  # kinds that others bring to Kubernetes
SCHEMAS = "python/kubernetes_validate/kubernetes-json-schema/v1.33.0-local-strict/_definitions.json"


@cache
def schemas() -> dict[str, Any]:
    """The schemas of Kubernetes by their names."""
    return dict(json.loads(tool(SCHEMAS).read_text(encoding="utf-8"))["$defs"])


@cache
def judge(version: str, kind: str) -> Any:
    """What judges manifests of one kind."""
    group, _, number = version.rpartition("/")
    told = {"group": group, "version": number, "kind": kind}
    (name,) = (name for name, one in schemas().items() if told in one.get("x-kubernetes-group-version-kind", ()))
    return jsonschema_rs.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schemas()})


def wrong(manifest: dict[str, Any]) -> list[str]:
    """What Kubernetes would say against it."""
    found = judge(manifest["apiVersion"], manifest["kind"]).iter_errors(manifest)
    return [f"{manifest['kind']} {error.instance_path}: {error.message}" for error in found]


def of_kind(values: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in manifests(values) if one["kind"] == kind}


def test_helm_finds_nothing_wrong() -> None:
    found = charted()["lint"]
    assert found["errors"] == []
    assert [one["error"] for one in found["messages"] if one["severity"] > 1] == []


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["as it is", "with everything"])
def test_kubernetes_accepts_what_it_makes(values: dict[str, Any]) -> None:
    made = manifests(values)
    assert len(made) > 12
    assert not [told for one in made if one["kind"] not in OWN for told in wrong(one)]


def test_nobody_in_particular_runs_and_may_do_nothing() -> None:
    assert len(pods(EVERYTHING)) == 9
    for where, pod in pods(EVERYTHING).items():
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001, where
        assert pod["automountServiceAccountToken"] is False, where
        assert pod["enableServiceLinks"] is False, "a Service called rapport would set RAPPORT_PORT"
        for one in pod["containers"]:
            safe = one["securityContext"]
            assert safe["readOnlyRootFilesystem"] and not safe["allowPrivilegeEscalation"], where
            assert safe["capabilities"] == {"drop": ["ALL"]}, where
            assert one["resources"]["limits"]["memory"] and one["resources"]["requests"]["cpu"], where
            assert one["envFrom"] == [{"secretRef": {"name": "rapport"}}], where


def test_one_worker_may_be_of_another_version_than_the_rest() -> None:
    images = {
        where.rpartition("-")[2]: one["image"]
        for where, pod in pods({"image": {"tag": "1.0", "tags": {"warehouse": "2.0"}}}).items()
        for one in pod["containers"]
    }
    assert images.pop("warehouse") == "rapport:2.0"
    assert set(images.values()) == {"rapport:1.0"} and len(images) == 8


def test_no_manifest_is_a_secret() -> None:
    assert not of_kind(EVERYTHING, "Secret")


def test_the_configuration_arrives_as_it_lies_in_the_repository(tmp_path: Path) -> None:
    (kept,) = of_kind({}, "ConfigMap").values()
    for where, pod in pods({}).items():
        if where.startswith("Job"):
            continue
        (volume,) = (one["configMap"] for one in pod["volumes"] if one["name"] == "config")
        assert volume["name"] == kept["metadata"]["name"], where
        laid = {one["path"]: kept["data"][one["key"]] for one in volume["items"]}
    for path, text in laid.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    assert laid.keys() == {str(one.relative_to(ROOT / "config")) for one in (ROOT / "config").rglob("*.*")}
    assert {path: (ROOT / "config" / path).read_text(encoding="utf-8") for path in laid} == laid
    assert load_config(tmp_path).sources == load_config(ROOT / "config").sources


def test_the_ledger_of_what_was_sent_has_one_writer_and_a_volume_that_stays() -> None:
    ((name, delivery),) = of_kind(EVERYTHING, "StatefulSet").items()
    (container,) = delivery["spec"]["template"]["spec"]["containers"]
    (claim,) = delivery["spec"]["volumeClaimTemplates"]
    mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert name == "shop-delivery" and delivery["spec"]["replicas"] == 1
    assert mounted[claim["metadata"]["name"]] == "/data"
    assert set(delivery["spec"]["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}
    assert name not in of_kind(EVERYTHING, "ScaledObject")


def test_more_workers_come_by_the_lag_of_what_a_stage_reads() -> None:
    scaled = of_kind(EVERYTHING, "ScaledObject")
    assert scaled.keys() == {f"shop-{stage}" for stage in STAGES}
    deployments = of_kind(EVERYTHING, "Deployment")
    for name, one in scaled.items():
        stage = name.removeprefix("shop-")
        assert one["spec"]["scaleTargetRef"]["name"] in deployments
        assert "replicas" not in deployments[name]["spec"], "Helm would set back what KEDA has set"
        read = {trigger["metadata"]["topic"].removeprefix("eu.") for trigger in one["spec"]["triggers"]}
        assert read <= {topic.name for topic in TOPICS.values() if stage in topic.consumers} and read
        assert {trigger["metadata"]["consumerGroup"] for trigger in one["spec"]["triggers"]} == {f"eu.rapport-{stage}"}
        assert one["spec"]["maxReplicaCount"] <= 64


def test_what_is_disrupted_and_scaled_is_there() -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in of_kind(EVERYTHING, "Deployment").values()]
    for budget in of_kind(EVERYTHING, "PodDisruptionBudget").values():
        chosen = budget["spec"]["selector"]["matchLabels"].items()
        assert sum(chosen <= one.items() for one in labels) == 1


def test_the_topics_are_made_before_anything_else() -> None:
    (job,) = of_kind({}, "Job").values()
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    used = {one["name"] for one in job["spec"]["template"]["spec"]["volumes"]}
    assert "config" not in used, "the ConfigMap comes after the hook"


def test_the_way_in_from_outside_leads_to_what_customers_call_and_no_further() -> None:
    (ingress,) = of_kind(EVERYTHING, "Ingress").values()
    led = [one["path"] for rule in ingress["spec"]["rules"] for one in rule["http"]["paths"]]
    routers: list[Any] = [browser.router(Mock()), mail_back.router(Mock(), Mock(), Mock())]
    called = {*ROUTES, *PIXELS, *(route.path for router in routers for route in router.routes)}
    assert len(called) > 20
    for path in called:
        assert [way for way in led if path == way or path.startswith(f"{way}/")], path
    for way in led:
        assert [path for path in called if path == way or path.startswith(f"{way}/")], way


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"image": {"tag": "latest"}}, "/image/tag"),
        ({"image": {"tags": {"folding": "1.0"}}}, "folding"),
        ({"secret": ""}, "/secret"),
        ({"environment": {"RAPPORT_REDIS_PASSWORD": "x"}}, "RAPPORT_REDIS_PASSWORD"),
        ({"redis": {"url": "redis://:password@redis:6379"}}, "/redis/url"),
        ({"stages": {"folding": {"replicas": 1}}}, "folding"),
        ({"partitions": 0}, "/partitions"),
        ({"ingest": {"ingress": {"enabled": True}}}, "ingest.ingress.host"),
    ],
)
def test_wrong_values_are_refused_by_name(values: dict[str, Any], said: str) -> None:
    (made,) = charted(values)["rendered"]
    assert said in made["error"]


def test_the_values_on_the_page_are_accepted() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    (values,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    kinds = {one["kind"] for one in manifests(yaml.safe_load(values))}
    assert {"Ingress", "ScaledObject", "PodMonitor"} <= kinds


def test_the_checks_can_fail(tmp_path: Path) -> None:
    chart = Path(shutil.copytree(CHART, tmp_path / "chart"))
    stages = chart / "templates" / "stages.yaml"
    stages.write_text(stages.read_text(encoding="utf-8").replace("spec:", "spec: {", 1), encoding="utf-8")
    assert charted(folder=chart)["lint"]["errors"]
    deployment = yaml.safe_load(yaml.safe_dump(of_kind({}, "Deployment")["shop-fold"]))
    assert not wrong(deployment)
    deployment["spec"]["template"]["spec"]["containers"][0]["port"] = 80
    assert wrong(deployment)
