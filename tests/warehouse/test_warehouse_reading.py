"""The ordinary client, curl and plain HTTP read the warehouse as they would read a ClickHouse server."""

import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime

import clickhouse_connect
import lz4.frame
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_connect.driver.httputil import get_pool_manager

from tests.warehouse.warehouse_lines import touchpoint
from tests.warehouse.warehouse_process import WarehouseProcess

MANY = "SELECT number, toString(number) AS text FROM numbers(300000)"


@pytest.fixture(scope="module")
def client(warehouse: WarehouseProcess) -> Iterator[Client]:
    with clickhouse_connect.get_client(host="127.0.0.1", port=warehouse.port, pool_mgr=get_pool_manager()) as found:
        yield found


def test_the_ordinary_client_reads_rows_columns_and_streams(client: Client) -> None:
    assert client.ping()
    assert client.query("SELECT 1 AS a, 'x' AS b").result_rows == [(1, "x")]
    assert client.command("SELECT 2") == 2
    assert client.query(MANY).row_count == 300_000
    with client.query_rows_stream(MANY) as stream:
        assert sum(number for number, _ in stream) == 299_999 * 300_000 // 2
    assert "touchpoints" in {name for (name,) in client.query("SHOW TABLES").result_rows}
    assert "touchpoints" in str(client.command("SHOW TABLES"))
    assert client.query("SELECT * FROM touchpoints LIMIT 0").column_names[:2] == ("workspace", "profile_id")


def test_the_ordinary_client_passes_parameters_of_any_kind_and_length(client: Client) -> None:
    said = {"a": "it's\ta \\ \n x", "b": [1, 2], "c": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "d": "y" * 30_000}
    query = "SELECT {a:String}, {b:Array(Int32)}, {c:DateTime('UTC')}, {d:String}"
    assert client.query(query, parameters=said, tz_mode="aware").result_rows == [tuple(said.values())]


def test_the_ordinary_client_may_set_what_a_query_costs_up_to_a_ceiling(client: Client) -> None:
    assert client.query("SELECT getSetting('max_execution_time')", settings={"max_execution_time": 7}).result_rows == [
        (7,)
    ]
    with pytest.raises(DatabaseError, match="max_execution_time shouldn't be greater than"):
        client.query("SELECT 1", settings={"max_execution_time": 1_000_000})
    with pytest.raises(DatabaseError, match="TOO_MANY_ROWS"):
        client.query(MANY, settings={"max_result_rows": 1_000})


def test_the_ordinary_client_is_told_what_is_wrong(client: Client) -> None:
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE") as error:
        client.query("SELECT * FROM nothing_here")
    assert error.value.code == 60
    with pytest.raises(DatabaseError, match="read-only"):
        client.command("DROP TABLE touchpoint_log")
    with pytest.raises(DatabaseError, match="READONLY"):
        client.insert("touchpoint_log", [["x"]], column_names=["payload"])


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_curl_reads(warehouse: WarehouseProcess) -> None:
    def curl(*arguments: str) -> str:
        said = subprocess.run(["curl", "-s", "--noproxy", "*", *arguments], capture_output=True, text=True, check=True)
        return said.stdout

    address = f"http://127.0.0.1:{warehouse.port}/"
    assert curl(f"{address}?query=SELECT+1") == "1\n"
    assert json.loads(curl(address, "-d", "SELECT 1 AS a FORMAT JSON"))["data"] == [{"a": 1}]
    assert curl(f"{address}ping") == curl(address) == "Ok.\n"
    assert curl("-u", "reader:", f"{address}?database=rapport&query=SELECT+currentDatabase()") == "rapport\n"
    assert curl(f"{address}?query=SELECT+1,", "-d", " 2 FORMAT CSV") == "1,2\n"
    assert "READONLY" in curl(f"{address}?query=DROP+TABLE+x")
    assert "touchpoints" in curl(f"{address}?user=reader&query=SHOW+TABLES").splitlines()
    assert curl(f"{address}?query=DESCRIBE+touchpoints").startswith("workspace\t")
    assert curl(f"{address}?query=EXISTS+touchpoints") == "1\n"
    assert "event" in curl(f"{address}?query=EXPLAIN+SELECT+event+FROM+touchpoints")


@pytest.mark.parametrize(("encoding", "unpack"), [("gzip", gzip.decompress), ("lz4", lz4.frame.decompress)])
def test_answers_are_compressed_as_the_client_likes(warehouse: WarehouseProcess, encoding: str, unpack: object) -> None:
    plain = warehouse.get(MANY)
    packed = warehouse.get(MANY, {"Accept-Encoding": encoding})
    assert packed.headers["content-encoding"] == encoding
    assert len(packed.body) < len(plain.body)
    assert callable(unpack)
    assert unpack(packed.body) == plain.body


@pytest.mark.parametrize("form", ["TabSeparated", "CSVWithNames", "JSON", "JSONEachRow", "Parquet", "ArrowStream"])
def test_formats_are_named_in_the_statement_or_beside_it(warehouse: WarehouseProcess, form: str) -> None:
    beside = warehouse.get("SELECT 1 AS a", default_format=form)
    within = warehouse.get(f"SELECT 1 AS a FORMAT {form}")
    assert beside.status == within.status == 200
    assert beside.headers["x-clickhouse-format"].lower() == within.headers["x-clickhouse-format"].lower()
    assert len(beside.body) == len(within.body) > 0 or form == "JSON"


def test_an_archive_is_read_in_the_order_of_the_log(warehouse: WarehouseProcess) -> None:
    lines = [touchpoint(n, workspace="order", properties={"text": "tab\t, newline\n and \\"}) for n in range(300)]
    warehouse.publish("touchpoints", lines[:100])
    warehouse.publish("touchpoints", lines[100:])
    warehouse.caught_up()
    order = "ORDER BY incarnation, partition, offset, index"
    answer = warehouse.get(f"SELECT payload FROM touchpoint_log WHERE workspace = 'order' {order} FORMAT TSVRaw")
    assert answer.body.splitlines() == lines


def test_a_query_that_fails_on_its_way_cuts_the_connection(warehouse: WarehouseProcess) -> None:
    with pytest.raises(Exception, match=r"[Ii]ncomplete|[Cc]onnection|closed"):
        warehouse.get("SELECT throwIf(number = 2999999) FROM numbers(3000000)", max_block_size="1000")


@pytest.mark.parametrize(
    ("sql", "url", "code"),
    [
        ("SELECT 1", {"user": "default2"}, 516),
        ("SELECT 1", {"database": "system"}, 81),
        ("SELECT 1", {"format_template_resultset": "/etc/passwd"}, 452),
        ("SELECT 1", {"default_format": "Template"}, 73),
        ("SELECT '" + "x" * (1 << 20) + "'", {}, 167),
        ("SELECT max(cityHash64(repeat('x', number % 9999))) FROM numbers(9e8)", {"max_execution_time": "1"}, 159),
        ("SELECT groupArray(number) FROM numbers(1000000000)", {}, 241),
    ],
)
def test_what_may_not_be_asked_or_costs_too_much_is_refused(
    warehouse: WarehouseProcess, sql: str, url: dict[str, str], code: int
) -> None:
    answer = warehouse.get("", body=sql.encode(), **url)
    assert answer.status >= 400
    assert answer.code == code
    assert answer.body.startswith(f"Code: {code}. DB::Exception: ".encode())


@pytest.mark.parametrize("headers", [{"Host": "rebound.example"}, {"Origin": "http://evil.example"}])
def test_web_pages_are_kept_out(warehouse: WarehouseProcess, headers: dict[str, str]) -> None:
    assert warehouse.get("SELECT 1", headers).code == 516
