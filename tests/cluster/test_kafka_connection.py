"""How we connect: the same for librdkafka and Faust, and no secret is written down."""

from typing import Any

import pytest
import structlog
from confluent_kafka import Producer
from pydantic import SecretStr, ValidationError

from services.errors import RapportError
from services.runtime.kafka.connection import Logged, client_settings, connected, faust_settings, topic_name
from services.runtime.settings import Settings

SECRET = "correct horse battery staple"


def settings(**given: Any) -> Settings:
    return Settings(kafka="one:9092,two:9093", **given)


@pytest.mark.parametrize("security", ["sasl_ssl", "sasl_plaintext"])
def test_user_and_password_reach_both_clients(security: Any) -> None:
    made = settings(kafka_security=security, kafka_user="rapport", kafka_password=SecretStr(SECRET))
    ours = client_settings(made, "test")
    assert (ours["sasl.username"], ours["sasl.password"], ours["sasl.mechanism"]) == (
        "rapport",
        SECRET,
        "SCRAM-SHA-512",
    )
    theirs = faust_settings(made)["broker_credentials"]
    assert (theirs.username, theirs.password, theirs.mechanism.value) == ("rapport", SECRET, "SCRAM-SHA-512")
    assert theirs.protocol.value.lower() == security and (theirs.ssl_context is not None) == (security == "sasl_ssl")
    assert SECRET not in repr(made) and SECRET not in repr(theirs)


def test_without_security_nobody_is_named() -> None:
    assert not [name for name in client_settings(settings(kafka_user="x"), "test") if name.startswith("sasl")]
    assert faust_settings(settings()) == {"broker": ["kafka://one:9092", "kafka://two:9093"]}
    assert faust_settings(settings(kafka_security="ssl"))["broker_credentials"].protocol.value == "SSL"


def test_every_setting_is_one_that_librdkafka_takes() -> None:
    made = settings(kafka_security="sasl_ssl", kafka_user="rapport", kafka_password=SecretStr(SECRET))
    connected(Producer, client_settings(made, "test"))


def test_settings_that_do_not_fit_are_told_without_the_password(tmp_path: Any) -> None:
    made = settings(
        kafka_security="sasl_ssl", kafka_ca=tmp_path / "none.pem", kafka_user="u", kafka_password=SecretStr(SECRET)
    )
    with pytest.raises(RapportError, match="RAPPORT_KAFKA") as told:
        connected(Producer, client_settings(made, "test"))
    assert SECRET not in str(told.value)


def test_topics_of_several_installations_do_not_meet() -> None:
    assert topic_name(settings(kafka_prefix="shop-a."), "profiles") == "shop-a.profiles"
    with pytest.raises(ValidationError):
        settings(kafka_prefix="no spaces")


def test_a_complaint_that_is_repeated_is_logged_once() -> None:
    with structlog.testing.capture_logs() as told:
        logged = Logged()
        for n in range(50):
            logged.log(
                40, "%s [%s] %s", "FAIL", "rdkafka#producer-1", f"Connection refused (after {n}ms in state CONNECT)"
            )
        logged.log(40, "%s [%s] %s", "FAIL", "rdkafka#producer-1", "Disconnected")
    assert [one["said"] for one in told] == ["Connection refused (after 0ms in state CONNECT)", "Disconnected"]
