"""The user `writer` makes tables and inserts over HTTP, and reaches nothing else; readers stay readers."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow as pa
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Rejected
from services.runtime.frames import StoredFrame
from services.runtime.warehouse import limits, migrations, rows
from services.runtime.warehouse.compression import expand
from services.runtime.warehouse.orders import order
from services.runtime.warehouse.tokens import statements
from services.runtime.warehouse.visitors import Visitors
from tests.warehouse.server_process import ServerProcess
from tests.warehouse.test_warehouse_attacks import ATTACKS, CANARY
from tests.warehouse.warehouse_lines import touchpoint

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress, "zstd": zstd.compress, "gzip": gzip.compress, "identity": bytes,
}  # fmt: skip
OWN = ("INSERT INTO touchpoint_log (payload)", "DROP TABLE touchpoint_log", "SELECT 1; DROP")  # what a writer may do


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("server")).start()
    migrations.apply(server.client())
    yield server
    assert server.stop() == 0


def table(first: int, count: int) -> pa.Table:
    lines = b"\n".join(touchpoint(n) for n in range(first, first + count))
    kept, extra = rows.touchpoints(rows.lines_of({0: [StoredFrame(first, count, 0, lines)]}))
    return rows.table(kept, "life", extra)


def test_our_migrations_are_all_that_a_writer_needs(server: ServerProcess) -> None:
    assert server.rows("SELECT count() FROM schema_migrations") == [[len(migrations.load())]]
    migrations.apply(server.client())  # twice is once


def test_every_statement_of_our_migrations_is_an_order() -> None:
    for one in migrations.load():
        for statement in statements(one.text):
            ordered = order({}, statement.encode(), frozenset({"file", "url", "merge", "remote"}))
            assert ordered
            assert ordered.statement == statement
            assert not ordered.data


def test_what_only_reads_is_left_to_the_readers_rules() -> None:
    assert order({"query": "SELECT 1"}, b"", frozenset()) is None
    assert order({}, b" ( WITH 1 AS a SELECT a)", frozenset()) is None


def test_rows_come_by_clickhouse_connect(server: ServerProcess) -> None:
    client = server.client()
    settings = {"async_insert": 0, "insert_deduplication_token": "a"}
    assert client.insert_arrow("touchpoint_log", table(0, 500), settings=settings).written_rows == 500
    client.insert_arrow("touchpoint_log", table(0, 500), settings=settings)
    assert server.rows("SELECT count(), uniqExact(message_id) FROM touchpoints WHERE offset = 0") == [[500, 500]]
    client.command("CREATE TABLE natively (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
    client.insert("natively", [[1, "ä"], [2, "b"]], column_names=["a", "b"])
    assert client.query("SELECT * FROM natively ORDER BY a").result_rows == [(1, "ä"), (2, "b")]
    client.command("DROP TABLE natively")


@pytest.mark.parametrize("encoding", COMPRESSORS)
@pytest.mark.parametrize("beside", [True, False], ids=["statement in the URL", "statement in the body"])
def test_rows_come_by_plain_http(server: ServerProcess, encoding: str, beside: bool) -> None:
    offset = 1_000 + 10 * sorted(COMPRESSORS).index(encoding) + beside
    row = {"incarnation": "x", "partition": 3, "offset": offset, "index": 0, "anchor_id": "a"}
    data = json.dumps(row | {"payload": touchpoint(offset).decode()}).encode()
    columns = ", ".join(f"`{name}`" for name in (*row, "payload"))
    sql = f"INSERT INTO rapport.touchpoint_log ({columns}) FORMAT JSONEachRow"
    body = COMPRESSORS[encoding](data if beside else f"{sql}\n".encode() + data)
    answer = server.post("writer", sql if beside else "", body, {"Content-Encoding": encoding})
    assert (answer.status, answer.body) == (200, b"")
    assert json.loads(answer.headers["x-clickhouse-summary"]) == {"written_rows": "1"}
    found = server.rows(f"SELECT message_id, `partition` FROM touchpoint_log WHERE offset = {offset}")
    assert found == [[f"m{offset}", 3]]


def test_binary_rows_that_look_like_text_are_rows(server: ServerProcess) -> None:
    client = server.client()
    client.command("CREATE TABLE IF NOT EXISTS binary (a String) ENGINE = MergeTree ORDER BY a")
    said = b"\n; DROP TABLE binary -- ' FORMAT CSV\xff"
    body = b"INSERT INTO binary FORMAT RowBinary\n" + bytes([len(said)]) + said
    assert server.post("writer", "", body).status == 200
    assert server.post("reader", "SELECT a FROM binary FORMAT RawBLOB").body == said
    client.command("DROP TABLE binary")


@given(st.binary(max_size=2_000), st.lists(st.binary(max_size=50), max_size=3), st.sampled_from(sorted(COMPRESSORS)))
def test_what_was_compressed_is_expanded_whole_in_one_frame_or_several(
    body: bytes, more: list[bytes], encoding: str
) -> None:
    frames = [body, *more]
    assert expand(b"".join(map(COMPRESSORS[encoding], frames)), encoding, 10_000) == b"".join(frames)


@pytest.mark.parametrize("encoding", sorted(set(COMPRESSORS) - {"identity"}))
def test_a_bomb_and_a_damaged_body_are_refused(encoding: str) -> None:
    compress = COMPRESSORS[encoding]
    for body, reason in (
        (compress(bytes(5_000_000)), "longer"), (compress(b"a" * 90) + compress(b"b" * 90), "longer"),
        (compress(b"abc")[:-2], "ends too early|is no"), (b"not compressed at all", "is no"),
    ):  # fmt: skip
        with pytest.raises(Rejected, match=reason):
            expand(body, encoding, 100)


def test_a_body_that_is_too_large_is_refused_and_the_next_is_not(server: ServerProcess) -> None:
    bomb = zstd.compress(bytes(limits.LARGEST_INSERT + 1))
    sql = "INSERT INTO touchpoint_log FORMAT RowBinary"
    assert server.post("writer", sql, bomb, {"Content-Encoding": "zstd"}).code == 167
    assert server.post("writer", "SELECT 1").body == b"1\n"


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_fails_for_readers_and_for_the_writer(server: ServerProcess, tmp_path: Path, attack: str) -> None:
    path = tmp_path / "canary.txt"
    path.write_text(f"{CANARY}\n")
    sql = attack.format(path=path, folder=tmp_path, canary=CANARY)
    for user in ("reader",) if attack.startswith(OWN) else ("reader", "writer"):
        answer = server.post(user, "", sql.encode(), param_t="processes")
        assert answer.code, answer.body
        assert CANARY.encode() not in answer.body.replace(sql.encode(), b"")
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE evil (a Int32) ENGINE = URL('http://127.0.0.1:9/', CSV)",
        "CREATE TABLE evil ENGINE Memory AS SELECT 1",
        "CREATE TABLE evil (a String DEFAULT file('{path}')) ENGINE = MergeTree ORDER BY a",
        "CREATE TABLE evil AS file('{path}', 'LineAsString')",
        "CREATE VIEW evil AS SELECT * FROM file('{path}', 'LineAsString')",
        "CREATE DATABASE evil",
        "CREATE DATABASE evil ENGINE = Filesystem",
        "INSERT INTO schema_migrations FROM INFILE '{path}' FORMAT CSV",
        "INSERT INTO FUNCTION file('{folder}/written', 'CSV', 'a Int32') SELECT 1",
        "INSERT INTO schema_migrations (name) SELECT * FROM file('{path}', 'LineAsString')",
        "INSERT INTO schema_migrations (name) SELECT file('{path}')",
        "INSERT INTO schema_migrations (name) FORMAT Template",
        "ALTER TABLE schema_migrations UPDATE name = file('{path}') WHERE 1",
        "DROP DATABASE rapport",
        "GRANT ALL ON *.* TO default",
        "DROP TABLE schema_migrations; DROP TABLE touchpoint_log",
    ],
)
def test_a_writer_reaches_nothing_but_the_warehouse(server: ServerProcess, tmp_path: Path, sql: str) -> None:
    path = tmp_path / "canary.txt"
    path.write_text(f"{CANARY}\n")
    answer = server.post("writer", "", sql.format(path=path, folder=tmp_path).encode())
    assert answer.code
    assert answer.status < 500
    assert CANARY.encode() not in answer.body.replace(sql.encode(), b"")
    assert not (tmp_path / "written").exists()
    assert server.rows("SELECT count() FROM system.tables WHERE name = 'evil'") == [[0]]
    assert server.rows(f"SELECT count() FROM schema_migrations WHERE name = '{CANARY}'") == [[0]]


def test_a_reader_writes_nothing_whoever_it_says_it_is(server: ServerProcess) -> None:
    sql, row = "INSERT INTO touchpoint_log (payload) FORMAT JSONEachRow", b'{"payload": "evil"}'
    assert server.post("reader", sql, row).code in (164, 62)
    assert server.post("reader", sql, zstd.compress(row), {"Content-Encoding": "zstd"}).code in (164, 62)
    for wrong in ("", "wrong", server.password + " "):
        assert server.post("writer", sql, row, {"X-ClickHouse-Key": wrong}).code == 516
        assert server.post("reader", sql, row, {"X-ClickHouse-User": "", "X-ClickHouse-Key": wrong}).code in (164, 62)
    assert server.rows("SELECT count() FROM touchpoint_log WHERE payload = 'evil'") == [[0]]


def test_a_setting_that_is_not_a_writers_is_refused(server: ServerProcess) -> None:
    sql, row = "INSERT INTO schema_migrations (name) FORMAT JSONEachRow", b'{"name": "x"}'
    assert server.post("writer", sql, row, format_schema="/etc/passwd").code == 452
    assert server.post("writer", sql, row, database="system").code == 81
    assert server.post("writer", sql, row, max_execution_time="100000000").code == 452


def test_without_a_password_there_is_no_writer() -> None:
    for password in ("", "x"):
        with pytest.raises(Rejected, match="has no password"):
            Visitors(password).admit("127.0.0.1", {"x-clickhouse-user": "writer", "x-clickhouse-key": ""}, {})
    assert Visitors("", "w").admit("192.168.0.7", {"x-clickhouse-user": "writer", "x-clickhouse-key": "w"}, {})
    assert not Visitors("r", "w").admit("127.0.0.1", {"x-clickhouse-user": "reader", "x-clickhouse-key": "r"}, {})
    with pytest.raises(Rejected, match="password is wrong"):
        Visitors("r", "w").admit("127.0.0.1", {"x-clickhouse-user": "reader", "x-clickhouse-key": "w"}, {})


def test_the_embedded_platform_has_no_writer(warehouse: Any) -> None:
    headers = {"X-ClickHouse-User": "writer", "X-ClickHouse-Key": ""}
    assert warehouse.get("SELECT 1", headers).code == 516


def test_writers_that_come_together_are_served_one_after_the_other(server: ServerProcess) -> None:
    failures: list[Exception] = []

    def insert(n: int) -> None:
        try:
            server.client().insert_arrow("touchpoint_log", table(5_000 + n, 20))
        except Exception as error:  # noqa: BLE001 -- told to the test
            failures.append(error)

    threads = [threading.Thread(target=insert, args=(n,)) for n in range(5)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failures
    assert server.rows("SELECT count() FROM touchpoint_log FINAL WHERE offset BETWEEN 5000 AND 5004") == [[100]]
    assert not list((server.folder / "clickhouse" / "incoming").iterdir())
