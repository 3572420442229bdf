"""ClickHouse inside this process (chdb): opened with an own configuration, one writer, and readers behind a fence.

chdb has no users, but it takes ClickHouse's configuration files, and holds what they say: grants without the sources
(URL, S3, REMOTE, ...), so that no table function reaches the network or a file outside `incoming`, also not through
the database `default`, which is the file system in disguise; ceilings for what a query costs; settings that are
constant. A reader is a connection with `readonly = 2`, which it cannot take back. `guard.py` is the other fence.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from services.errors import RapportError
from services.runtime.warehouse.limits import LIMITS, MEBI

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

DATABASE = "rapport"
SERVER_MEMORY = 1536 * MEBI  # bytes that the whole process may take before queries are refused

_CONSTANT = {
    "allow_introspection_functions": 0,
    "dialect": "clickhouse",
    "implicit_select": 0,
    "allow_ddl": 1,
    "enable_http_compression": 1,
    "allow_experimental_eval_table_function": 0,
    "format_schema": "",
    "format_template_resultset": "",
    "format_template_row": "",
    "additional_result_filter": "",
}
_DEFAULTS = {
    "result_overflow_mode": "throw",
    "do_not_merge_across_partitions_select_final": 1,
    "max_partitions_per_insert_block": 0,  # a restore brings touchpoints of many months in one batch
    "type_json_skip_duplicated_paths": 1,  # {"a": 1, "a": 2} is legal JSON and must not empty the column
    "session_timezone": "UTC",
    "allow_suspicious_types_in_group_by": 1,  # GROUP BY properties.currency is what people write
    "allow_suspicious_types_in_order_by": 1,
}
_GRANTS = (
    f"GRANT SELECT, INSERT, ALTER, CREATE, DROP, TRUNCATE, OPTIMIZE, SHOW, dictGet ON {DATABASE}.*",
    "GRANT SELECT, SHOW ON system.*",
    "GRANT SELECT, SHOW ON information_schema.*",
    "GRANT SELECT, SHOW ON INFORMATION_SCHEMA.*",
)


class Engine:
    """The engine on one folder. One process owns it; threads share it, each reader with a connection of its own."""

    def __init__(self, folder: Path):
        """Open it. Raises RapportError when another process has it, or when its fences do not hold."""
        self._folder, self.incoming = folder, folder / "incoming"
        self._options = {"config-file": str(_configure(folder))}
        self.writer = self._open()
        self.writer.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic")
        self.writer.database = DATABASE
        with self.reader({}) as connection:
            _check_fences(connection)
            names = connection.query("SELECT DISTINCT lower(name) FROM system.table_functions", "TSV").bytes()
        self.table_functions = frozenset(names.decode().split())

    def _open(self) -> "Client":
        import clickhouse_connect
        from clickhouse_connect.driver.exceptions import ProgrammingError

        try:
            return clickhouse_connect.get_client(dsn=f"chdb://{self._folder}", chdb_options=self._options)
        except ProgrammingError as error:
            raise RapportError(
                f"the warehouse in {self._folder} cannot be opened: another process has it, or it is damaged."
                f" Stop the other Rapport on this folder first. ClickHouse says: {_first_line(error)}"
            ) from error

    @contextmanager
    def reader(self, settings: Mapping[str, str]) -> Iterator[Any]:
        """A chdb connection that can only read, with these settings. Raises chdb.ChdbError for a wrong setting."""
        with self._connection() as connection:
            given = "".join(f"{name} = {_quoted(value)}, " for name, value in settings.items())
            connection.query(f"SET {given}readonly = 2")
            yield connection

    @contextmanager
    def writing(self, settings: Mapping[str, str]) -> Iterator[Any]:
        """A chdb connection that can write, with these settings. Raises chdb.ChdbError for a wrong setting."""
        with self._connection() as connection:
            for name, value in settings.items():
                connection.query(f"SET {name} = {_quoted(value)}")
            yield connection

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        import chdb

        connection = chdb.connect(f"{self._folder}?config-file={self._options['config-file']}")
        try:
            connection.query(f"USE {DATABASE}")
            yield connection
        finally:
            connection.close()

    def close(self) -> None:
        """Close the engine; nothing may use it any more."""
        self.writer.close()


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300]


def _check_fences(reader: Any) -> None:
    """Refuse to serve where this ClickHouse does not hold what its configuration says."""
    for statement in (
        f"CREATE TABLE {DATABASE}.fence (a Int32) ENGINE = Memory",
        "SET readonly = 0",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT * FROM default.`/etc/hostname`",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        f"SELECT 1 SETTINGS max_execution_time = {LIMITS['max_execution_time'].ceiling + 1}",
        "SELECT 1 SETTINGS allow_introspection_functions = 1",
    ):
        try:
            reader.query(statement)
        except RuntimeError as error:
            if any(f"Code: {code}." in str(error) for code in (164, 452, 497)):
                continue
            raise RapportError(f"the warehouse does not answer as it should to {statement!r}: {error}") from error
        raise RapportError(f"this ClickHouse lets a reader run {statement!r}: it is not safe to serve")


def _configure(folder: Path) -> Path:
    """Write the engine's configuration beside its data; empty the folder that inserts pass through."""
    incoming = folder / "incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(parents=True)
    tempfile.tempdir = str(incoming)  # clickhouse-connect hands batches to chdb through temporary files
    users, config = folder / "users.xml", folder / "config.xml"
    users.write_text(_users(incoming))
    config.write_text(_CONFIG.format(users=escape(str(users)), memory=SERVER_MEMORY))
    return config


_CONFIG = """<clickhouse>
  <users_config>{users}</users_config>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <index_mark_cache_size>8388608</index_mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <query_cache><max_size_in_bytes>0</max_size_in_bytes></query_cache>
  <background_pool_size>2</background_pool_size>
  <background_merges_mutations_concurrency_ratio>1</background_merges_mutations_concurrency_ratio>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <background_buffer_flush_schedule_pool_size>1</background_buffer_flush_schedule_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
  <background_message_broker_schedule_pool_size>1</background_message_broker_schedule_pool_size>
  <background_distributed_schedule_pool_size>1</background_distributed_schedule_pool_size>
  <merge_tree>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
</clickhouse>
"""


def _users(incoming: Path) -> str:
    """The one user that chdb knows, with what it may do."""
    values = {name: limit.default for name, limit in LIMITS.items()} | _DEFAULTS | _CONSTANT
    profile = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in values.items())
    limits = "".join(f"<{name}><min>1</min><max>{limit.ceiling}</max></{name}>" for name, limit in LIMITS.items())
    constant = "".join(f"<{name}><const/></{name}>" for name in _CONSTANT)
    grants = "".join(f"<query>{grant}</query>" for grant in (*_GRANTS, _read_from(incoming)))
    return (
        f"<clickhouse><profiles><default>{profile}<constraints>{limits}{constant}</constraints></default></profiles>"
        "<users><default><password></password><networks><ip>::/0</ip></networks><profile>default</profile>"
        f"<quota>default</quota><grants>{grants}</grants></default></users><quotas><default/></quotas></clickhouse>\n"
    )


def _read_from(incoming: Path) -> str:
    pattern = "".join(c if c.isalnum() or c in "/_-" else f"[{c}]" for c in str(incoming))
    return escape(f"GRANT READ ON FILE('{pattern}/.*')")
