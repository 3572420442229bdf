"""Kafka in KRaft mode: one to three brokers on this machine, each its own controller too."""

import base64
import os
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from services.errors import RapportError
from services.runtime.cluster.addresses import LOOPBACK, free_ports, listens
from services.runtime.cluster.jars import DEPLOY, jars
from services.runtime.cluster.process import Process
from services.runtime.cluster.programs import java
from services.runtime.files import cache_folder

READY_WITHIN = 180.0  # seconds from start to being one of the cluster; 4 on a machine that is free
MOST_BROKERS = 3
HEAP = 512  # MB a broker may use for objects; it takes about 200 more
QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # starts with two thirds of the CPU, then runs slower

_PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=data
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=5000
auto.create.topics.enable=false
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=8
transaction.state.log.replication.factor={replicas}
transaction.state.log.num.partitions=8
transaction.state.log.min.isr={least}
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={least}
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
"""


class Ports(NamedTuple):
    """Where one broker listens."""

    clients: int
    controller: int


class Broker:
    """One broker: its process, and the folder `kafka-N` with its settings and its data."""

    def __init__(self, folder: Path, node: int, port: int, options: Sequence[str]):
        self.process = Process(folder, f"kafka-{node}")
        self.place, self.node, self.port, self._options = folder / f"kafka-{node}", node, port, options

    def start(self) -> None:
        """Start it; it says nothing about being ready."""
        logs = (f"-Dlog4j2.configurationFile={DEPLOY / 'log4j2.properties'}", "-Dlog4j.shutdownHookEnabled=false")
        command = [*_java(*self._options, *logs), "kafka.Kafka", "server.properties"]
        self.process.start(command, place=self.place)

    def restart(self) -> None:
        """Start it again after an end of whatever kind, and wait until it is one of the cluster."""
        self.start()
        self.wait_until_known()

    def wait_until_known(self) -> None:
        """Wait until it answers, and knows that it is one of the cluster."""
        self.process.wait_until(lambda: listens(self.port), READY_WITHIN)  # asking before makes the client back off
        self.process.wait_until(lambda: self.node in known(f"{LOOPBACK}:{self.port}"), READY_WITHIN)


class Kafka:
    """`brokers` are there before `start`, so that another process can use them on a Kafka that runs already."""

    def __init__(self, folder: Path, ports: Sequence[int], heap: int = HEAP, options: Sequence[str] = ()):
        self.name, self._folder = "Kafka", folder
        memory = (f"-Xmx{heap}m", f"-Xms{heap // 4}m", *options)
        self.brokers = [Broker(folder, node, port, memory) for node, port in enumerate(ports, 1)]
        self.address = ",".join(f"{LOOPBACK}:{port}" for port in ports)

    @property
    def processes(self) -> list[Process]:
        """One for each broker."""
        return [broker.process for broker in self.brokers]

    def start(self) -> None:
        """Prepare the folders, start all brokers, wait until each is one of the cluster."""
        if not 1 <= len(self.brokers) <= MOST_BROKERS:
            raise RapportError(f"{len(self.brokers)} brokers were asked for: 1 to {MOST_BROKERS} can be had")
        self._prepare()
        for broker in self.brokers:
            broker.start()
        for broker in self.brokers:
            broker.wait_until_known()

    def stop(self) -> None:
        """Stop all brokers cleanly; kill those that do not in time."""
        for process in self.processes:
            process.ask_to_stop()
        for process in self.processes:
            process.stop()

    def _prepare(self) -> None:
        """Each broker's settings, with the ports of this time; new folders are given their format."""
        controllers = free_ports(len(self.brokers), besides=[broker.port for broker in self.brokers])
        voters = ",".join(f"{node}@{LOOPBACK}:{port}" for node, port in enumerate(controllers, 1))
        identity = self._identity()
        replicas = len(self.brokers)
        for broker, controller in zip(self.brokers, controllers, strict=True):
            broker.place.mkdir(parents=True, exist_ok=True)
            text = _PROPERTIES.format(
                node=broker.node, voters=voters, host=LOOPBACK, port=broker.port, controller=controller,
                replicas=replicas, least=max(1, replicas - 1),
            )  # fmt: skip
            (broker.place / "server.properties").write_text(text)
            if not (broker.place / "data" / "meta.properties").exists():
                _format(broker.place, identity)

    def _identity(self) -> str:
        """The cluster's id, made once. A folder for another number of brokers cannot be used."""
        kept = self._folder / "kafka.id"
        if not kept.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            kept.write_text(f"{cluster_id(uuid.uuid4())} {len(self.brokers)}\n")
        identity, count = kept.read_text().split()
        if int(count) != len(self.brokers):
            raise RapportError(
                f"{self._folder} holds a Kafka of {count} broker(s), not {len(self.brokers)}: start it with"
                f" --brokers {count}, or give the other one a folder of its own with --data"
            )
        return identity


def cluster_id(made: uuid.UUID) -> str:
    """As Kafka writes it: base64, which must not begin with a minus, since its tools would take it for an option."""
    return base64.urlsafe_b64encode(b"\x80" + made.bytes[1:]).decode()[:22]


def known(address: str) -> set[int]:
    """The brokers that are up, by the cluster's own word; none when nobody answers."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        return set(AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=5).brokers)
    except KafkaException:
        return set()


def _format(place: Path, identity: str) -> None:
    command = [
        *_java(*QUICK, "-Xmx128m"),
        "kafka.tools.StorageTool",
        "format",
        "-t",
        identity,
        "-c",
        "server.properties",
    ]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RapportError(
            f"Kafka's folder {place} could not be prepared:\n{(done.stdout + done.stderr).strip()[-2000:]}"
        )


def _java(*options: str) -> list[str]:
    return [str(java()), *options, "-cp", f"{jars(cache_folder())}{os.sep}*"]
