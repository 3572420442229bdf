"""How commands reach a platform that is up, in another process: over HTTP, and through its files."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.errors import RapportError
from services.runtime import frames
from services.runtime.files import Files, Running, find_running
from services.runtime.settings import Settings

if TYPE_CHECKING:
    import httpx

PATIENCE = 60.0  # seconds that one request may take


def files_of(settings: Settings) -> Files:
    """The files of the data folder."""
    return Files(settings.data.resolve())


def running_on(settings: Settings) -> Running:
    """The platform that is up on the data folder. Raises RapportError when there is none."""
    running = find_running(files_of(settings))
    if running is None:
        raise RapportError(f"nothing is running on {settings.data}: start it with `rapport up --data {settings.data}`")
    return running


def clickhouse_of(settings: Settings) -> str:
    """The URL of ClickHouse's interface: RAPPORT_CLICKHOUSE where it is set, else that of the platform that is up on
    the data folder. Raises RapportError when there is none."""
    if "clickhouse" in settings.model_fields_set:
        return settings.clickhouse
    return f"http://127.0.0.1:{running_on(settings).clickhouse_port}"


@contextmanager
def http(running: Running, key: str = "") -> "Iterator[httpx.Client]":
    """A client of the platform's HTTP API, with `key` as its bearer. Says what to do when the platform is gone."""
    import httpx  # a tenth of a second that commands on files need not pay

    headers = {"authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=running.url, headers=headers, timeout=PATIENCE, trust_env=False) as client:
        try:
            yield client
        except httpx.HTTPError as error:
            raise RapportError(f"the platform at {running.url} does not answer ({error}): is it still up?") from error


def ask(client: "httpx.Client", method: str, path: str, **what: Any) -> Any:
    """The JSON of an answer. Raises RapportError with the API's own words for anything but 2xx."""
    response = client.request(method, path, **what)
    if not response.is_success:
        raise RapportError(f"{path} was answered {response.status_code}: {said(response)}")
    return response.json()


def said(response: "httpx.Response") -> str:
    """What an error body says to a person."""
    try:
        body = response.json()
        detail = body.get("detail", body)
        return str(detail["message"] if isinstance(detail, dict) else detail)
    except (ValueError, KeyError, AttributeError):
        return response.text[:500] or response.reason_phrase


def unread(response: "httpx.Response") -> RapportError:
    """The error of an answer that is not what was asked for, with what to do where the read key is missing."""
    hint = ": set RAPPORT_READ_KEY to the platform's read key" if response.status_code == 401 else ""
    return RapportError(f"{said(response)}{hint}")


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A reader of one of the platform's files. Raises RapportError when there is no such file yet."""
    try:
        connection = frames.open_reader(path)
        connection.execute("SELECT 1 FROM about").fetchone()
    except sqlite3.OperationalError as error:
        why = f"{path.parent} holds no data of Rapport ({path.name}: {error})"
        raise RapportError(f"{why}: start it with `rapport up --data {path.parent}`") from None
    try:
        yield connection
    finally:
        connection.close()
