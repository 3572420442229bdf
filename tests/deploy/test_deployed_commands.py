"""What the files of deploy/ call is there: commands, workers, variables, ports and paths are the code's own."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from services.commands.application import loaded
from services.commands.worker import ALONE
from services.pipeline import STAGES
from services.runtime.settings import Settings
from services.runtime.workers.health import Health
from tests.deploy.deployed import (
    DEPLOY,
    EVERYTHING,
    Container,
    all_containers,
    compose,
    containers,
    example,
    pods,
    texts,
    workers_of,
)

KNOWN = {f"RAPPORT_{name.upper()}": field for name, field in Settings.model_fields.items() if not field.exclude}
OF_COMPOSE = {"RAPPORT_IMAGE_TAG"}  # not a worker's business
WORKERS = {*STAGES, *ALONE}


def unknown(words: list[str]) -> list[str]:
    """What of a command line is not there."""
    try:
        command: Any = loaded(words[0])
    except KeyError:
        return words[:1]
    rest = words[1:]
    if below := getattr(command, "commands", None):
        return [] if rest and rest[0] in below and rest[1:] == [] else rest or words
    return [word for word in rest if word not in WORKERS] if words[0] == "worker" else rest


def test_every_command_line_is_a_command() -> None:
    for one in all_containers():
        assert not unknown(one.words), one.where


def test_every_worker_runs_once_and_the_topics_are_made_before() -> None:
    for some in (list(workers_of(compose()["services"])), containers({}), containers(EVERYTHING)):
        assert sorted(one.words[1] for one in some if one.words[0] == "worker") == sorted(WORKERS)
        assert [one.words for one in some if one.words[0] != "worker"] == [["topics", "apply"]]


def test_every_variable_is_a_setting() -> None:
    for path, text in texts().items():
        assert set(re.findall(r"RAPPORT_[A-Z_]+", text)) <= KNOWN.keys() | OF_COMPOSE, path


def settings_in(one: Container) -> Settings:
    """What a process in this container works with."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in one.environment.items():
            patched.setenv(name, re.sub(r"^\$\{\w+:\?.*\}$", "x", value))
        return Settings()


def test_every_environment_is_accepted() -> None:
    for one in all_containers():
        settings = settings_in(one)
        assert settings.port == Settings.model_fields["port"].default, one.where
        assert settings.health_port == Settings.model_fields["health_port"].default, one.where
        assert settings.replication == (1 if one.where.startswith("compose") else 3), one.where


def test_the_chart_hands_its_values_on() -> None:
    (fold,) = (one for one in containers(EVERYTHING) if one.words == ["worker", "fold"])
    settings = settings_in(fold)
    assert (settings.kafka_prefix, settings.kafka_security, settings.kafka_user) == ("eu.", "sasl_ssl", "rapport")
    assert (settings.smtp_port, settings.public_url) == (587, "https://cdp.example.com")
    assert str(settings.kafka_ca) == "/kafka/ca.crt"


def test_the_example_has_every_setting_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert KNOWN.keys() <= example().keys()
    for name, (needed, value) in example().items():
        field = KNOWN.get(name)
        if field is not None and not needed and value:
            monkeypatch.setenv(name, value)
            assert getattr(Settings(), name.removeprefix("RAPPORT_").lower()) == field.default, name


def test_no_secret_has_a_value() -> None:
    secrets = {name for name, field in KNOWN.items() if "SecretStr" in str(field.annotation)} | {"GRAFANA_PASSWORD"}
    assert len(secrets) > 6
    assert not {name for name in secrets if example()[name][1]}
    for one in all_containers():
        held = {name: value for name, value in one.environment.items() if name in secrets}
        assert all(value.startswith("${") and ":?" in value for value in held.values()), one.where


def test_what_compose_asks_for_is_in_the_example_as_what_must_be_set() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+):\?", text)) == {name for name, (needed, _) in example().items() if needed}
    assert set(re.findall(r"\$\{(\w+)", text)) <= example().keys()


def test_ports_are_those_that_are_listened_on() -> None:
    api, health = (Settings.model_fields[name].default for name in ("port", "health_port"))
    for one in all_containers():
        assert set(one.ports) <= ({api, health} if "ingest" in one.words else {health}), one.where
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^EXPOSE (.*)$", dockerfile, re.MULTILINE) == [f"{api} {health}"]
    assert re.findall(r'healthcheck.py", "(\d+)"', dockerfile) == [str(health)]


def answered(app: Any, path: str) -> int:
    """The status that an ASGI application answers with."""

    async def ask() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker") as client:
            return (await client.get(path)).status_code

    return asyncio.run(ask())


def probed(pod: dict[str, Any]) -> set[tuple[str, str]]:
    (one,) = pod["containers"]
    asked = [probe["httpGet"] for name, probe in one.items() if name.endswith("Probe")]
    return {(probe["path"], probe["port"]) for probe in asked}


def test_what_is_probed_is_answered() -> None:
    worker = Health(list)
    for where, pod in pods({}).items():
        expected = set() if where.startswith("Job") else {("/livez", "health"), ("/readyz", "health")}
        assert probed(pod) == expected, where
    assert [answered(worker, path) for path in ("/livez", "/readyz", "/metrics")] == [200, 200, 200]
    assert "/readyz" in (DEPLOY / "healthcheck.py").read_text(encoding="utf-8")
    assert answered(worker, "/flyz") == 404


def test_the_checks_can_fail() -> None:
    assert unknown(["fly"]) == ["fly"]
    assert unknown(["worker", "folding"]) == ["folding"]
    assert unknown(["topics", "destroy"]) == ["destroy"]
    assert unknown(["topics"]) == ["topics"]
    assert unknown(["up", "--loud"]) == ["--loud"]
    assert not unknown(["worker", "fold", "identity"])
