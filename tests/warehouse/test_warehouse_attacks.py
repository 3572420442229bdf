"""Against the real engine: nothing is written, and no file, network, process or other query is reached."""

from pathlib import Path

import pytest

from tests.warehouse.warehouse_process import WarehouseProcess

CANARY = "the-canary-sings"

ATTACKS = [
    "SELECT * FROM file('{path}', 'LineAsString')",
    "SELECT file('{path}')",
    "SELECT arrayMap(file, ['{path}'])",
    "SELECT * APPLY file FROM (SELECT '{path}')",
    "SELECT \"fi\\x6ce\"('{path}')",
    "SELECT/**/`file`/**/('{path}')",
    "SELECT * FROM default.`{path}`",
    "SELECT * FROM `{path}`",
    "SELECT * FROM filesystem('{folder}')",
    "SELECT * FROM merge('default', '.*')",
    "SELECT * FROM view(SELECT * FROM file('{path}', 'LineAsString'))",
    "SELECT 1 WHERE '{canary}' IN (SELECT * FROM file('{path}', 'LineAsString'))",
    "DESCRIBE file('{path}')",
    "EXPLAIN SELECT * FROM file('{path}', 'LineAsString')",
    "SELECT 1 FORMAT Template SETTINGS format_template_resultset = '{path}'",
    "SELECT 1 SETTINGS additional_result_filter = 'file(\\'{path}\\') = 1'",
    "SELECT * FROM format('LineAsString', file('{path}'))",
    "SELECT * FROM sqlite('{path}', 'x')",
    "SELECT * FROM python('open')",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT * FROM url('http://127.0.0.1:9/', 'LineAsString')",
    "SELECT * FROM s3('http://127.0.0.1:9/bucket/key', 'CSV')",
    "SELECT * FROM remote('127.0.0.1:9', system.one)",
    "SELECT * FROM mysql('127.0.0.1:9', 'a', 'b', 'c', 'd')",
    "SELECT hasColumnInTable('127.0.0.1:9', 'system', 'one', 'dummy')",
    "SELECT * FROM system.processes",
    "SELECT * FROM `system` /**/ . processes",
    "SELECT * FROM loop('system', 'processes')",
    "SELECT * FROM loop(system.processes)",
    "SELECT * FROM {{t:Identifier}}",
    "SELECT sleep(3)",
    "SELECT 1 INTO OUTFILE '{folder}/written'",
    "SELECT 1 INTO OUTFILE '{folder}/written' FORMAT CSV",
    "INSERT INTO FUNCTION file('{folder}/written', 'CSV', 'a Int32') VALUES (1)",
    "INSERT INTO touchpoint_log (payload) VALUES ('x')",
    "WITH x AS (SELECT 1) INSERT INTO touchpoint_log (payload) SELECT 'x'",
    "EXPLAIN PIPELINE INSERT INTO touchpoint_log (payload) SELECT 'x'",
    "CREATE TEMPORARY TABLE x (a Int32)",
    "CREATE FUNCTION f AS () -> 1",
    "DROP TABLE touchpoint_log",
    "SELECT 1; DROP TABLE touchpoint_log",
    "KILL QUERY WHERE 1",
    "SYSTEM SHUTDOWN",
    "BACKUP TABLE touchpoint_log TO File('{folder}/written')",
    "SET readonly = 0",
    "USE system",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT 1 SETTINGS max_memory_usage = 0",
    "SELECT 1 SETTINGS max_result_rows = 0",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_fails(warehouse: WarehouseProcess, tmp_path: Path, attack: str) -> None:
    path = tmp_path / "canary.txt"
    path.write_text(f"{CANARY}\n")
    sql = attack.format(path=path, folder=tmp_path, canary=CANARY)
    for url in ({}, {"param_t": "processes", "wait_end_of_query": "1"}):
        answer = warehouse.get("", body=sql.encode(), **url)
        assert answer.status >= 400, answer.body
        assert answer.code
        assert CANARY.encode() not in answer.body.replace(sql.encode(), b"")
    assert not (tmp_path / "written").exists()
    assert warehouse.one("SELECT count() FROM touchpoint_log WHERE payload = 'x'") == 0


@pytest.mark.parametrize("url", [{"readonly": "0"}, {"user": "", "session_id": "s"}])
def test_no_parameter_of_the_url_takes_the_fence_down(warehouse: WarehouseProcess, url: dict[str, str]) -> None:
    assert warehouse.get("SELECT getSetting('readonly')", **url).body == b"2\n" or warehouse.get("SELECT 1", **url).code
    assert warehouse.get("DROP TABLE touchpoint_log", **url).code == 164


def test_a_setting_is_a_value_and_no_statement(warehouse: WarehouseProcess) -> None:
    assert warehouse.get("SELECT 1", max_threads="1', readonly = '0").code
    assert warehouse.get("SELECT 1", max_threads="1\\', readonly = 0 --").code
    assert warehouse.get("SELECT 1", param_a="1}'; DROP TABLE x").body == b"1\n"


def test_no_header_is_smuggled_into_the_answer(warehouse: WarehouseProcess) -> None:
    answer = warehouse.get("SELECT 1", query_id="x\r\nset-cookie: a=b")
    assert answer.body == b"1\n"
    assert "set-cookie" not in answer.headers
    assert warehouse.get("SELECT 1", query_id="mine").headers["x-clickhouse-query-id"] == "mine"


def test_settings_of_one_reader_are_not_those_of_the_next(warehouse: WarehouseProcess) -> None:
    setting = "SELECT getSetting('max_execution_time')"
    assert warehouse.get(setting, max_execution_time="7").body == b"7\n"
    assert warehouse.get(setting).body == b"60\n"
