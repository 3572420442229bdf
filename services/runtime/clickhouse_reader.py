"""A client of the platform's ClickHouse, as its user `reader`, from any process."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from services.errors import RapportError
from services.runtime.settings import Settings
from services.runtime.warehouse.engine import DATABASE

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def connect(settings: Settings, port: int) -> "Client":
    """A client of the interface on this port of this machine. Raises RapportError when there is no way in."""
    return connect_to(settings, f"http://127.0.0.1:{port}")


def connect_to(settings: Settings, url: str) -> "Client":
    """A client of the ClickHouse whose HTTP interface is at this URL. Raises RapportError when there is no way in."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    password = settings.reader_password.get_secret_value() if settings.reader_password else ""
    try:
        return connect_as(url, "reader", password, database=DATABASE)
    except ClickHouseError as error:
        raise RapportError(
            f"ClickHouse at {url} lets nobody in ({str(error).strip()}): is the platform up,"
            " and is RAPPORT_READER_PASSWORD its reader's password?"
        ) from None


def connect_as(url: str, user: str, password: str, **options: Any) -> "Client":
    """A client with clickhouse-connect's further `options`. Raises ClickHouseError when there is no way in."""
    import clickhouse_connect  # a third of a second that only those who query should take
    from clickhouse_connect.driver.httputil import get_pool_manager

    at = urlsplit(url)
    return clickhouse_connect.get_client(
        host=at.hostname or "127.0.0.1",
        port=at.port or (8443 if at.scheme == "https" else 8123),
        interface=at.scheme,
        username=user,
        password=password,
        autogenerate_session_id=False,
        pool_mgr=get_pool_manager(),  # else a proxy of the environment would be asked for this machine
        **options,
    )
