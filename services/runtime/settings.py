"""Settings of the platform, from the environment (`RAPPORT_…`) and the command line. Secrets only from here."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.wire import Workspace

Key = Annotated[SecretStr, Field(min_length=1)]


class Settings(BaseSettings):
    """Every setting has a default that works on one machine. Variable names are RAPPORT_ and the field in capitals."""

    model_config = SettingsConfigDict(env_prefix="RAPPORT_", frozen=True, extra="ignore")

    data: Path = Field(Path("data"), description="the folder that holds everything the platform keeps")
    config: Path = Field(Path("config"), description="the configuration folder")
    host: str = Field("127.0.0.1", description="the address that the tracking and profile API listens on")
    port: int = Field(8080, ge=0, le=65535, description="the port of the tracking and profile API")
    clickhouse_port: int = Field(8123, ge=0, le=65535, description="the port of ClickHouse's HTTP interface (loopback)")
    read_key: SecretStr | None = Field(None, description="key for reading profiles; without it only loopback may read")
    read_keys: dict[Workspace, Key] = Field({}, description="more such keys, each for one workspace alone")
    reader_password: SecretStr | None = Field(None, description="password of ClickHouse's user `reader`")

    admin_key: str | None = Field(None, description="set by `rapport up`: the key of the admin routes", exclude=True)

    smtp_host: str = Field("127.0.0.1", description="the mail server that follow-ups leave through")
    smtp_port: int = Field(25, ge=1, le=65535)
    smtp_user: str = ""
    smtp_password: SecretStr | None = None
    smtp_starttls: bool = False
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*[^\s?#/])?)?$",
        description="where customers reach this API",
    )
    link_secret: Annotated[SecretStr, Field(min_length=24)] | None = Field(
        None,
        description="makes the links in e-mails (clicks, openings, unsubscription); an old one's stop",
    )
    twilio_url: str = Field("https://api.twilio.com", description="where SMS are handed over; another only in tests")
    private_hosts: tuple[str, ...] = Field((), description="private or loopback hosts that webhooks may go to")

    kafka: str = Field("127.0.0.1:9092", description="Kafka's brokers, host:port with commas between them")
    kafka_prefix: str = Field(
        "",
        pattern=r"^[a-zA-Z0-9._-]{0,64}$",
        description="what the names of our topics, groups and producers begin with, where others use the same Kafka",
    )
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_user: str = Field("", description="who we are for Kafka, where it asks (sasl_plaintext, sasl_ssl)")
    kafka_password: SecretStr | None = None
    kafka_ca: Path | None = Field(None, description="a file of certificates (PEM) that Kafka's must come from")
    kafka_linger: int = Field(5, ge=0, le=1_000, description="ms that a collector gathers events into a frame at least")
    redis: Annotated[str, Field(pattern=r"^rediss?://")] = Field(
        "redis://127.0.0.1:6379/0", description="where Redis is, as a URL without a password"
    )
    redis_password: SecretStr | None = None
    clickhouse: Annotated[str, Field(pattern=r"^https?://[^/@]+/?$")] = Field(
        "http://127.0.0.1:8123", description="where ClickHouse's HTTP interface is, as a URL"
    )
    clickhouse_cluster: str = Field(
        "", pattern=r"^[A-Za-z0-9_-]*$", description="the ClickHouse cluster whose replicas have the tables, if any"
    )
    writer_password: SecretStr | None = Field(None, description="password of ClickHouse's user `writer`")
    partitions: int = Field(64, ge=1, le=1024, description="partitions of each topic that is keyed by people")
    replication: int = Field(3, ge=1, le=5, description="how many brokers keep each partition")
    events: bool = Field(False, description="publish the topic `events`: one message per touchpoint, with its person")
    health_port: int = Field(9464, ge=0, le=65535, description="the port of a worker's /metrics, /livez and /readyz")

    turn: int = Field(2_000, ge=1, description="touchpoints that the engine handles in one transaction, at most")
    cache_records: int = Field(60_000, ge=100, description="decoded records kept in memory per stage")
    log_hours: int = Field(30 * 24, ge=1, description="how long frames stay in the log after the archive has them")
    dedup_days: int = Field(7, ge=1, description="how long the ids of touchpoints that were not imported are known")

    def key_for(self, workspace: str) -> str:
        """A key that reads this workspace; empty when there is none."""
        found = self.read_key or self.read_keys.get(workspace)
        return found.get_secret_value() if found else ""
