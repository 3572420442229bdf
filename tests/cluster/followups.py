"""What the tests of the delivery worker are made of: an installation of our own, actions, Ann in Redis, the worker."""

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer

from schemas import fast
from schemas.fast import Action
from schemas.identifiers import profile_id
from services.profile.cell import Cell
from services.profile.person import Held, Person
from services.runtime.cluster.addresses import free_ports
from services.runtime.followups.ledger import Send, rows
from services.runtime.frames import open_reader
from services.runtime.kafka import topic_plan, topics
from services.runtime.kafka.connection import topic_name
from services.runtime.kafka.partitions import partition_of
from services.runtime.redis import layout
from services.runtime.redis.connection import connect
from services.runtime.settings import Settings
from tests.automation.causes import ANN, NOON, actions, calling, cause, rule, touchpoint
from tests.cluster.engines import Worker, wait_for

PARTITIONS = 4
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STATUSES = ("waiting", "attempting", "sent", "held", "failed", "uncertain", "dead")
SOURCES = "sources:\n  - {name: web, write_key: key-web}\n  - {name: shop, write_key: key-shop, trusted: true}\n"


def installation(kafka: str, redis: str, folder: Path, **more: Any) -> Settings:
    """Settings of an installation whose topics are made, with a configuration folder and no person. `redis` is a URL;
    its database 6 is ours."""
    config = folder / "config"
    (config / "rules").mkdir(parents=True)
    (config / "sources.yaml").write_text(SOURCES)
    settings = Settings(
        kafka=kafka, kafka_prefix=f"d{uuid.uuid4().hex[:8]}-", partitions=PARTITIONS, replication=1,
        redis=f"{redis.rpartition('/')[0]}/6", data=folder / "data", config=config,
        private_hosts=("127.0.0.1",), **more,
    )  # fmt: skip
    client = topics.administrator(settings)
    topic_plan.apply(client, settings, topic_plan.plan(client, settings))
    return settings


def forget(settings: Settings) -> None:
    """An empty Redis, but for Ann."""
    client = connect(settings)
    client.flushdb()
    key = profile_id("main", ANN)
    ann = Person("main", key, {ANN: Held(1, 1, Cell(touchpoints=1, first_seen=NOON, last_seen=NOON))})
    place = layout.keys(layout.PREFIX, "assemble", partition_of(key, PARTITIONS)).records
    client.hset(place, key, msgspec.msgpack.encode(ann))
    client.close()


def follow(settings: Settings, url: str) -> list[Any]:
    """One rule with an e-mail and a webhook, in force. Returns it, as `decided` wants it."""
    email = {"email": {"from": "Shop <hello@shop.example>", "subject": "Hi", "text": "Hi", "consent": "unless_denied"}}
    made = [rule(then=[email, calling(url)])]
    said = [json.dumps(one.model_dump(mode="json", by_alias=True, exclude_unset=True)) for one in made]
    (settings.config / "rules" / "thanks.yaml").write_text("---\n".join(said))
    return made


def decided(rules: list[Any], *numbers: int) -> list[Action]:
    """The actions that these rules decide on when Ann orders something."""
    return [one for n in numbers for one in actions(rules, cause(touchpoint(f"m{n}")))]


def publish(settings: Settings, made: Sequence[Action | bytes]) -> None:
    """Put actions on the topic; others write on it, too, so bytes go as they are. They are spread over all partitions,
    as those of many people would be."""
    producer = Producer({"bootstrap.servers": settings.kafka, "enable.idempotence": True, "linger.ms": 0})
    for number, one in enumerate(made):
        body = one if isinstance(one, bytes) else fast.dumps(one)
        producer.produce(topic_name(settings, "actions"), body, b"ann", partition=number % PARTITIONS)
    assert producer.flush(20) == 0


def kept(settings: Settings) -> list[Send]:
    """Every row of the worker's ledger."""
    reader = open_reader(settings.data / "ledger.db")
    try:
        return rows(reader, STATUSES, limit=-1)
    finally:
        reader.close()


class DeliveryWorker(Worker):
    """`rapport worker delivery` as a process."""

    def __init__(self, settings: Settings, name: str = "delivery"):
        self.settings = settings.model_copy(update={"health_port": free_ports(1)[0]})
        settings.data.mkdir(parents=True, exist_ok=True)
        super().__init__(self.settings, settings.data.parent / f"{name}.log", "delivery")

    def reasons(self) -> str:
        """Why it does not send now; empty: it does."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.settings.health_port}/readyz", timeout=5):
                return ""
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError as error:
            return str(error)

    def ready(self, within: float = 30) -> "DeliveryWorker":
        """Once it sends."""
        wait_for(lambda: self.process.poll() is not None or not self.reasons(), within)
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        return self

    def refused(self, within: float = 30) -> str:
        """Its last words; it must end by itself, with a status that says so."""
        assert self.process.wait(within) == 1, self.log.read_text()[-4000:]
        return self.log.read_text()


@contextmanager
def sending(settings: Settings, name: str = "delivery") -> Iterator[DeliveryWorker]:
    """The worker, which is stopped at the end, if it has not ended by then."""
    worker = DeliveryWorker(settings, name)
    try:
        yield worker
        if worker.process.poll() is None:
            worker.stop()
    finally:
        if worker.process.poll() is None:
            worker.kill()
