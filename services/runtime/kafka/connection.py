"""How our clients connect to Kafka: the settings of librdkafka, and its logs among ours.

Faust's connection is made of the same settings. Passwords come from the environment only, and neither librdkafka nor we
write them down.
"""

import logging
import socket
import ssl
import time
from typing import Any, TypeVar

import structlog
from confluent_kafka import KafkaException

from services.errors import RapportError, Retry
from services.runtime.settings import Settings

MOST_MESSAGE = 4 * 1024 * 1024  # bytes of one message, which the topics are made to take (topics.py)
SAME = 30.0  # seconds in which librdkafka's same complaint is not logged again

Client = TypeVar("Client")
_log = structlog.get_logger()


def client_settings(settings: Settings, part: str) -> dict[str, Any]:
    """What every librdkafka client of ours is made with. `part` names it in Kafka's logs, quotas and metrics."""
    made: dict[str, Any] = {
        "bootstrap.servers": settings.kafka,
        "client.id": f"rapport-{part}@{socket.gethostname()}",
        "security.protocol": settings.kafka_security,
        "socket.keepalive.enable": True,
        "socket.timeout.ms": 10_000,
        "socket.connection.setup.timeout.ms": 5_000,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        "topic.metadata.refresh.interval.ms": 60_000,
    }
    if settings.kafka_ca is not None:
        made["ssl.ca.location"] = str(settings.kafka_ca)
    if settings.kafka_security.startswith("sasl"):
        made |= {"sasl.mechanism": settings.kafka_mechanism, "sasl.username": settings.kafka_user}
        made["sasl.password"] = settings.kafka_password.get_secret_value() if settings.kafka_password else ""
    return made


def unheard(settings: Settings, part: str) -> dict[str, Any]:
    """The same for a client whose logs nobody collects: while Kafka is away they would pile up in memory. What its
    calls raise says what is wrong."""
    return client_settings(settings, part) | {"log_level": 0}


def faust_settings(settings: Settings) -> dict[str, Any]:
    """What a Faust app is made with to reach the same brokers in the same way."""
    from faust import SASLCredentials, SSLCredentials

    made: dict[str, Any] = {"broker": [f"kafka://{one.strip()}" for one in settings.kafka.split(",")]}
    context = None
    if settings.kafka_security.endswith("ssl"):
        context = ssl.create_default_context(cafile=str(settings.kafka_ca) if settings.kafka_ca else None)
        made["broker_credentials"] = SSLCredentials(context)
    if settings.kafka_security.startswith("sasl"):
        password = settings.kafka_password.get_secret_value() if settings.kafka_password else ""
        made["broker_credentials"] = SASLCredentials(
            username=settings.kafka_user, password=password, ssl_context=context, mechanism=settings.kafka_mechanism
        )
    return made


def connected(make: type[Client], made: dict[str, Any]) -> Client:
    """A client of librdkafka's, whose logs go where ours go. Raises RapportError when the settings do not fit each
    other (a file of certificates that is not there, say)."""
    try:
        return make(made, logger=Logged())  # type: ignore[call-arg]
    except KafkaException as error:
        raise RapportError(
            f"a client of Kafka cannot be made ({reason(error)}): look at the settings RAPPORT_KAFKA…"
        ) from None


def topic_name(settings: Settings, topic: str) -> str:
    """The topic's name in Kafka."""
    return settings.kafka_prefix + topic


def reason(error: Exception) -> str:
    """What Kafka says, in words."""
    if isinstance(error, KafkaException) and error.args:
        return str(getattr(error.args[0], "str", lambda: error.args[0])())
    return str(error)


def unreachable(settings: Settings, error: Exception) -> Retry:
    """For people who called a command, or look why a worker does not start."""
    return Retry(
        f"Kafka at {settings.kafka} cannot be asked ({reason(error)}): is it up, and are RAPPORT_KAFKA,"
        " RAPPORT_KAFKA_SECURITY, RAPPORT_KAFKA_USER and RAPPORT_KAFKA_PASSWORD right?"
    )


class Logged:
    """Where librdkafka's logs go. It repeats a complaint at every try; we log each once in a while."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def log(self, level: int, form: str, *given: Any) -> None:
        """As logging.Logger.log, which librdkafka calls (given: facility, client, text)."""
        facility, text = str(given[0]) if given else "", str(given[-1]) if given else form
        now, about = time.monotonic(), facility + text.partition(" (")[0]  # "(after 3ms in state …)" differs each time
        if now - self._said.get(about, -SAME) < SAME:
            return
        if len(self._said) > 1_000:
            self._said.clear()
        self._said[about] = now
        tell = _log.warning if level >= logging.WARNING else _log.info
        tell("kafka", facility=facility, said=text)
