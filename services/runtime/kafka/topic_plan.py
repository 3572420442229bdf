"""What is to be done so that Kafka has the topics that an installation needs, and doing it.

What changes nothing for those who read and write (how long, how large) is changed. What would lose or displace data is
refused, with the way to get there safely.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from services.errors import RapportError
from services.runtime.kafka.connection import reason, unreachable
from services.runtime.kafka.topics import FIXED, WITHIN, There, Wanted, described, other_partitions, wanted
from services.runtime.settings import Settings

_SWITCHED = {
    "compact": "Kafka would delete every message but a key's last, also those that readers have not read yet. When they"
    " have: kafka-configs.sh --alter --topic NAME --add-config cleanup.policy=compact",
    "delete": "Kafka would delete what has not changed for a while, and nobody would write it again. If that is nothing"
    " that anybody needs: kafka-configs.sh --alter --topic NAME --add-config cleanup.policy=delete",
}


class Step(NamedTuple):
    """One topic and what is to be done: "create", "change" (these `configs`), "nothing"; or "refused": `told` says why,
    `remedy` what to do instead."""

    wanted: Wanted
    verdict: str
    told: str = ""
    configs: dict[str, str] | None = None
    remedy: str = ""


def plan(client: AdminClient, settings: Settings) -> list[Step]:
    """A step for every topic. Raises RapportError when Kafka does not answer."""
    needed = wanted(settings)
    found = described(client, settings, [one.name for one in needed])
    configs = _configs(client, settings, list(found))
    return [_step(one, found.get(one.name), configs.get(one.name, {})) for one in needed]


def apply(client: AdminClient, settings: Settings, steps: Sequence[Step]) -> None:
    """Carry the steps out; what was made can be used when this returns. The same again has nothing to do.

    Raises RapportError for what Kafka refuses."""
    new = [
        NewTopic(step.wanted.name, step.wanted.partitions, step.wanted.replication, config=step.wanted.configs)
        for step in steps
        if step.verdict == "create"
    ]
    changed = [_resource(step.wanted.name, step.configs) for step in steps if step.configs]
    futures = client.create_topics(new, request_timeout=WITHIN, operation_timeout=WITHIN) if new else {}
    if changed:
        altered = client.incremental_alter_configs(changed, request_timeout=WITHIN)
        futures |= {resource.name: future for resource, future in altered.items()}
    for name, future in futures.items():
        try:
            future.result()
        except KafkaException as error:
            raise RapportError(f"Kafka refused the topic {name}: {reason(error)}") from None
    _wait_for(client, new)
    _see(client, settings, [step for step in steps if step.configs])


def _see(client: AdminClient, settings: Settings, changed: Sequence[Step]) -> None:
    """Return when the brokers say what was changed: they hear of it from the controller, a moment later."""
    deadline = time.monotonic() + WITHIN
    while changed and time.monotonic() < deadline:
        there = _configs(client, settings, [step.wanted.name for step in changed])
        changed = [step for step in changed if not (step.configs or {}).items() <= there[step.wanted.name].items()]
        time.sleep(0.05 if changed else 0)


def _wait_for(client: AdminClient, new: Sequence[NewTopic]) -> None:
    """Return when every partition has a leader that knows it: brokers hear of a new topic one after the other."""
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked = {TopicPartition(one.topic, number): latest for one in new for number in range(one.num_partitions)}
    deadline = time.monotonic() + WITHIN
    while asked:
        client.list_topics(timeout=WITHIN)  # else librdkafka goes on with the leaders that it knew at first
        answers = client.list_offsets(asked, request_timeout=WITHIN)
        asked = {place: latest for place, future in answers.items() if future.exception() is not None}
        if asked and time.monotonic() > deadline:
            names = ", ".join(sorted({place.topic for place in asked}))
            raise RapportError(f"Kafka has made the topics, and not all brokers know them yet: {names}; look again")
        time.sleep(0.05 if asked else 0)


def _step(one: Wanted, there: There | None, configs: dict[str, str]) -> Step:
    if there is None:
        return Step(one, "create")
    refused, remedy = _refusal(one, there, configs)
    if refused:
        return Step(one, "refused", refused, remedy=remedy)
    other = {name: value for name, value in one.configs.items() if configs.get(name) != value}
    if not other:
        return Step(one, "nothing")
    told = ", ".join(f"{name}: {configs.get(name, 'unset')} → {value}" for name, value in other.items())
    return Step(one, "change", told, other)


def _refusal(one: Wanted, there: There, configs: dict[str, str]) -> tuple[str, str]:
    """Why the topic cannot be made what is wanted without harm, and what to do instead; empty when it can."""
    policy, present = one.configs["cleanup.policy"], configs.get("cleanup.policy", "delete")
    if there.partitions != one.partitions:
        return other_partitions(one, there.partitions), FIXED
    if there.replication < one.replication:
        return (
            f"{one.name} has {there.replication} replicas, and should have {one.replication} (RAPPORT_REPLICATION; set"
            f" it to {there.replication} if that is meant)",
            "More replicas are copied over the network, at a rate that you choose, while all runs:"
            " kafka-reassign-partitions.sh --throttle",
        )
    if present != policy:
        return f"{one.name} has cleanup.policy={present}, and should have {policy}", _SWITCHED[policy]
    return "", ""


def _configs(client: AdminClient, settings: Settings, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The configuration of each topic, in Kafka's words."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    try:
        answers = client.describe_configs(resources, request_timeout=WITHIN)
        found = {resource.name: future.result() for resource, future in answers.items()}
    except KafkaException as error:
        raise unreachable(settings, error) from None
    return {name: {key: entry.value for key, entry in entries.items()} for name, entries in found.items()}


def _resource(name: str, configs: dict[str, str]) -> ConfigResource:
    entries = [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in configs.items()]
    return ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
