"""The topics as an installation needs them (schemas/topics.py with its partitions and replicas), and as they are."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.topics import TOPICS, Topic
from services.errors import RapportError, Retry
from services.runtime.kafka.connection import MOST_MESSAGE, connected, topic_name, unheard, unreachable
from services.runtime.settings import Settings

WITHIN = 15.0  # seconds that Kafka gets for an answer
BY_KEY = 64  # `partitions` of a topic that has as many as the installation says
HOUR = 3_600_000  # ms
DAY = 24 * HOUR
AWAY = 3 * DAY  # for so long a compacted topic keeps every change: who comes back after a weekend reads on
TOMBSTONES = 7 * DAY  # and tells what is gone
FIXED = (
    "The number of partitions is fixed: keys, and the state kept of them, would move to other partitions. To have"
    " another one, build a second installation beside this: another RAPPORT_KAFKA_PREFIX, `rapport topics apply`, and"
    " `rapport restore` with what `rapport export` wrote of this one"
)


class Wanted(NamedTuple):
    """A topic as it should be: `topic` is our name of it, `name` Kafka's. `configs` are Kafka's words."""

    topic: str
    name: str
    partitions: int
    replication: int
    configs: dict[str, str]


class There(NamedTuple):
    """A topic as it is: `replication` is that of its least copied partition, `incarnation` its id, which no other topic
    ever gets, also none of the same name."""

    partitions: int
    replication: int
    incarnation: str


def wanted(settings: Settings) -> list[Wanted]:
    """Every topic of this installation."""
    return [
        Wanted(name, topic_name(settings, name), partitions(name, settings), settings.replication, kept)
        for name, topic in TOPICS.items()
        for kept in (_configs(topic, settings),)
        if name != "events" or settings.events
    ]


def partitions(topic: str, settings: Settings) -> int:
    """How many partitions a topic has in this installation."""
    fixed = TOPICS[topic].partitions
    return settings.partitions if fixed == BY_KEY else fixed


def _configs(topic: Topic, settings: Settings) -> dict[str, str]:
    """Retention is by the day: a segment is closed after one, and only closed ones leave or are compacted."""
    if topic.retention is None:
        kept = {
            "cleanup.policy": "compact",
            "min.compaction.lag.ms": AWAY,
            "max.compaction.lag.ms": TOMBSTONES,  # an erased person's documents are gone by then
            "delete.retention.ms": TOMBSTONES,
        }
    else:
        kept = {"cleanup.policy": "delete", "retention.ms": settings.log_hours * HOUR, "retention.bytes": -1}
    kept |= {
        "segment.ms": DAY,
        "min.insync.replicas": 2 if settings.replication >= 3 else 1,
        "unclean.leader.election.enable": "false",
        "max.message.bytes": MOST_MESSAGE,
        "compression.type": "producer",
        "message.timestamp.type": "CreateTime",
    }
    return {name: str(value) for name, value in kept.items()}


def administrator(settings: Settings) -> AdminClient:
    """A client that asks about topics and makes them."""
    return connected(AdminClient, unheard(settings, "topics"))


def described(client: AdminClient, settings: Settings, names: Iterable[str]) -> dict[str, There]:
    """Those of the topics (Kafka's names) that are there. Raises Retry when Kafka does not answer."""
    found = {}
    for name, future in client.describe_topics(TopicCollection(list(names)), request_timeout=WITHIN).items():
        try:
            topic = future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise unreachable(settings, error) from None
            continue
        copies = min(len(partition.replicas) for partition in topic.partitions)
        found[name] = There(len(topic.partitions), copies, str(topic.topic_id))
    return found


def count(topic: str, settings: Settings) -> int:
    """How many partitions the topic has in Kafka. Raises RapportError when it is not there."""
    return all_there(administrator(settings), settings, [topic])[topic].partitions


def incarnations(topics: Iterable[str], settings: Settings) -> dict[str, str]:
    """Which life of each topic this is: Kafka's id of it. Raises RapportError when one is not there."""
    found = all_there(administrator(settings), settings, topics)
    return {topic: there.incarnation for topic, there in found.items()}


def lives(client: AdminClient, settings: Settings, topics: Iterable[str]) -> dict[str, str]:
    """The same, for those who look again and again: raises Retry while Kafka does not say, or does not know one."""
    names = {topic: topic_name(settings, topic) for topic in topics}
    found = described(client, settings, names.values())
    if missing := [name for name in names.values() if name not in found]:
        raise Retry(f"Kafka has no topic {', '.join(missing)} any more: put it back as it was, or stop the workers")
    return {topic: found[name].incarnation for topic, name in names.items()}


def check(settings: Settings) -> None:
    """Whether the topics are there with the partitions that the settings say: every worker looks before it starts, for
    a key would else be looked for where it is not. Raises RapportError with what to do."""
    needed = wanted(settings)
    found = all_there(administrator(settings), settings, [one.topic for one in needed])
    for one in needed:
        if found[one.topic].partitions != one.partitions:
            raise RapportError(f"{other_partitions(one, found[one.topic].partitions)}. {FIXED}")


def other_partitions(one: Wanted, there: int) -> str:
    """What is wrong with a topic that has so many partitions."""
    said = f"{one.name} has {there} partitions, and should have {one.partitions}"
    if TOPICS[one.topic].partitions == BY_KEY:
        said += f" (RAPPORT_PARTITIONS; set it to {there} if that is what this installation was made with)"
    return said


def all_there(client: AdminClient, settings: Settings, topics: Iterable[str]) -> Mapping[str, There]:
    """These topics as they are. Raises RapportError when one is missing."""
    names = {topic: topic_name(settings, topic) for topic in topics}
    found = described(client, settings, names.values())
    if missing := [name for name in names.values() if name not in found]:
        raise RapportError(f"Kafka has no topic {', '.join(missing)}: make them with `rapport topics apply`")
    return {topic: found[name] for topic, name in names.items()}
