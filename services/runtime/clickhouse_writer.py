"""A client of a ClickHouse server, as the platform's user `writer`."""

from typing import TYPE_CHECKING

from services.errors import RapportError
from services.runtime.clickhouse_reader import connect_as
from services.runtime.settings import Settings
from services.runtime.warehouse.engine import DATABASE
from services.runtime.warehouse.replicated import replicated

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

WITHIN = 60  # seconds for an insert
_SETTINGS = {
    "async_insert": 0,  # what is confirmed is on disk
    "max_partitions_per_insert_block": 0,  # a restore brings touchpoints of many months in one batch
    "type_json_skip_duplicated_paths": 1,  # {"a": 1, "a": 2} is legal JSON and must not empty the column
}
_REPLICATED = {"insert_quorum": "auto"}  # what is confirmed is on a majority of the replicas


def connect(settings: Settings) -> "Client":
    """A client with which tables are made and filled; the database is made when it is not there. Raises RapportError
    when there is no way in."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    if settings.writer_password is None:
        raise RapportError("the warehouse is written by ClickHouse's user `writer`: set RAPPORT_WRITER_PASSWORD")
    given = _SETTINGS | (_REPLICATED if settings.clickhouse_cluster else {})
    try:
        password = settings.writer_password.get_secret_value()
        client = connect_as(settings.clickhouse, "writer", password, settings=given, send_receive_timeout=WITHIN)
        client.command(ddl(settings, f"CREATE DATABASE IF NOT EXISTS {DATABASE}"))
    except ClickHouseError as error:
        raise RapportError(
            f"ClickHouse at {settings.clickhouse} lets nobody write ({str(error).strip()[:500]}): is it up, and is"
            " RAPPORT_WRITER_PASSWORD its writer's password?"
        ) from None
    client.database = DATABASE
    return client


def ddl(settings: Settings, statement: str) -> str:
    """A statement of our migrations as this installation's ClickHouse should hear it."""
    return replicated(statement, settings.clickhouse_cluster) if settings.clickhouse_cluster else statement
