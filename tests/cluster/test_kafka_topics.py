"""`rapport topics`: Kafka's topics become what the schemas say, and nothing is lost or displaced on the way."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from typer.testing import CliRunner, Result

from schemas.topics import TOPICS
from services.commands.application import app
from services.errors import RapportError
from services.runtime.kafka import topic_plan, topics
from services.runtime.settings import Settings
from tests.cluster.installed import installed, settings_for


@pytest.fixture(scope="module")
def settings(kafka: Any) -> Iterator[Settings]:
    with installed(kafka.address) as made:
        yield made


def verdicts(settings: Settings) -> dict[str, topic_plan.Step]:
    return {step.wanted.topic: step for step in topic_plan.plan(topics.administrator(settings), settings)}


def setting(settings: Settings, topic: str, name: str, value: str | None = None) -> str:
    """What a topic is set to; with a value, set it as somebody else might."""
    client = topics.administrator(settings)
    resource = ConfigResource(ResourceType.TOPIC, settings.kafka_prefix + topic)
    if value is not None:
        change = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, settings.kafka_prefix + topic, incremental_configs=[change])
        client.incremental_alter_configs([resource])[resource].result()
    until = time.monotonic() + 10
    while True:  # brokers hear of it a moment later
        found = str(client.describe_configs([resource])[resource].result()[name].value)
        if value in (None, found) or time.monotonic() > until:
            return found


def called(settings: Settings, *arguments: str, **others: str) -> Result:
    """`rapport topics …` with these settings."""
    given = {
        "RAPPORT_KAFKA": settings.kafka, "RAPPORT_KAFKA_PREFIX": settings.kafka_prefix,
        "RAPPORT_PARTITIONS": str(settings.partitions), "RAPPORT_REPLICATION": "1", "COLUMNS": "200",
    }  # fmt: skip
    return CliRunner().invoke(app, ["topics", *arguments], env=given | others)


def test_every_topic_is_there_as_the_schemas_say_and_the_same_again_has_nothing_to_do(settings: Settings) -> None:
    assert {step.verdict for step in verdicts(settings).values()} == {"nothing"}
    topics.check(settings)
    for name, topic in TOPICS.items():
        if name != "events":
            assert topics.count(name, settings) == (2 if topic.partitions == 64 else topic.partitions)
            compacted = setting(settings, name, "cleanup.policy") == "compact"
            assert compacted == (topic.retention is None)
    assert setting(settings, "touchpoints", "retention.ms") == str(30 * 24 * 3_600_000)
    assert setting(settings, "profiles", "min.compaction.lag.ms") == str(72 * 3_600_000)


def test_three_replicas_must_be_two_in_step_and_one_is_alone(kafka: Any) -> None:
    for replicas, least in ((1, "1"), (2, "1"), (3, "2"), (5, "2")):
        wanted = topics.wanted(settings_for(kafka.address, replication=replicas))
        assert {one.configs["min.insync.replicas"] for one in wanted} == {least}
        assert {one.configs["unclean.leader.election.enable"] for one in wanted} == {"false"}


def test_the_topic_of_events_is_made_only_where_it_is_wanted(kafka: Any) -> None:
    assert "events" not in {one.topic for one in topics.wanted(settings_for(kafka.address))}


def test_what_does_no_harm_is_changed(settings: Settings) -> None:
    setting(settings, "touchpoints", "retention.ms", "1000000")
    setting(settings, "profiles", "max.message.bytes", "1000000")
    steps = verdicts(settings)
    assert {name for name, step in steps.items() if step.verdict == "change"} == {"touchpoints", "profiles"}
    assert "retention.ms: 1000000 → 2592000000" in steps["touchpoints"].told
    assert called(settings, "apply", "--dry-run").exit_code == 0
    assert setting(settings, "touchpoints", "retention.ms") == "1000000"
    done = called(settings, "apply")
    assert done.exit_code == 0 and "created: 0, changed: 2" in done.output
    assert setting(settings, "touchpoints", "retention.ms") == "2592000000"
    assert "as they should be" in called(settings, "apply").output


def test_another_number_of_partitions_is_refused_with_the_way_to_get_there(settings: Settings) -> None:
    setting(settings, "deliveries", "retention.ms", "1000000")
    try:
        done = called(settings, "apply", RAPPORT_PARTITIONS="4")
        assert done.exit_code == 1
        assert "touchpoints has 2 partitions, and should have 4" in done.output
        assert "RAPPORT_PARTITIONS" in done.output and "set it to 2" in done.output
        assert "RAPPORT_KAFKA_PREFIX" in done.output and "rapport restore" in done.output
        assert setting(settings, "deliveries", "retention.ms") == "1000000"  # then nothing at all is done
    finally:
        called(settings, "apply")
    with pytest.raises(RapportError, match="2 partitions, and should have 4"):
        topics.check(settings.model_copy(update={"partitions": 4}))


def test_more_replicas_are_refused_with_the_tool_that_copies(settings: Settings) -> None:
    done = called(settings, "apply", RAPPORT_REPLICATION="3")
    assert done.exit_code == 1
    assert "has 1 replicas, and should have 3" in done.output and "kafka-reassign-partitions.sh" in done.output


def test_compaction_is_not_switched(settings: Settings) -> None:
    for topic, wrong, right in (("profiles", "delete", "compact"), ("actions", "compact", "delete")):
        setting(settings, topic, "cleanup.policy", wrong)
        try:
            step = verdicts(settings)[topic]
            assert step.verdict == "refused"
            assert f"cleanup.policy={wrong}" in step.told and "would delete" in step.remedy
            assert called(settings, "apply").exit_code == 1
            assert setting(settings, topic, "cleanup.policy") == wrong
        finally:
            setting(settings, topic, "cleanup.policy", right)


def test_a_worker_does_not_start_without_its_topics(kafka: Any) -> None:
    with pytest.raises(RapportError, match=r"no topic .*touchpoints.*rapport topics apply"):
        topics.check(settings_for(kafka.address))


def test_a_kafka_that_is_not_there_is_told_with_what_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "WITHIN", 1.0)
    with pytest.raises(RapportError, match="RAPPORT_KAFKA"):
        topics.check(settings_for("127.0.0.1:1"))


def test_a_topic_that_is_made_again_has_another_life(kafka: Any) -> None:
    with installed(kafka.address, partitions=1) as settings:
        before = topics.incarnations(["actions"], settings)["actions"]
        assert topics.incarnations(["actions"], settings)["actions"] == before
        client, name = topics.administrator(settings), settings.kafka_prefix + "actions"
        client.delete_topics([name])[name].result()
        while topics.described(client, settings, [name]):
            pass
        client = topics.administrator(settings)  # librdkafka goes on with what it knew of the first one for long
        topic_plan.apply(client, settings, topic_plan.plan(client, settings))
        assert topics.incarnations(["actions"], settings)["actions"] != before
        assert client.describe_topics(TopicCollection([name]))[name].result().partitions


def test_the_list_says_what_is_there_and_what_is_missing(settings: Settings) -> None:
    shown = called(settings, "list", "--json").output.splitlines()
    assert len(shown) == len(topics.wanted(settings)) and '"topic":"touchpoints"' in shown[0]
    assert "missing" in called(settings, "list", RAPPORT_KAFKA_PREFIX="nobody-has-this-").output
