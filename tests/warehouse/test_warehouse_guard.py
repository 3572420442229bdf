"""What the guard lets through, and that no spelling of an attack gets past it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Rejected
from services.runtime.warehouse.guard import check
from services.runtime.warehouse.tokens import statements, tokens

TABLE_FUNCTIONS = frozenset({
    "file", "url", "s3", "remote", "remotesecure", "executable", "python", "mysql", "postgresql", "sqlite", "mongodb",
    "redis", "jdbc", "odbc", "hdfs", "azureblobstorage", "iceberg", "deltalake", "hudi", "input", "merge", "cluster",
    "loop", "dictionary", "filesystem", "eval", "numbers", "values", "view", "zeros", "format", "null",
})  # fmt: skip
BLANKS = st.sampled_from([" ", "\n", "\t", "/**/", " /* ' */ ", "--'\n", '-- "\n', "/* ; */", "\r\n"])
CALLED = st.sampled_from(sorted(TABLE_FUNCTIONS - {"numbers", "values", "view", "zeros", "format", "null"}))
QUOTES = st.sampled_from(["{}", "`{}`", '"{}"'])


def refused(sql: str) -> str:
    with pytest.raises(Rejected) as error:
        check(sql, TABLE_FUNCTIONS)
    return error.value.code


@given(CALLED, QUOTES, st.lists(BLANKS, min_size=8, max_size=8), st.booleans())
def test_a_table_function_is_refused_in_every_spelling(name: str, quotes: str, blanks: list[str], upper: bool) -> None:
    called = quotes.format(name.upper() if upper and quotes == "{}" else name)
    words = ["SELECT", "*", "FROM", called, "(", "'/etc/passwd'", ")"]
    attack = "".join(word + blank for word, blank in zip(words, blanks, strict=False))
    assert refused(attack) == "denied"
    assert refused(f"WITH x AS (SELECT 1 IN ({attack})) SELECT * FROM x") == "denied"
    assert refused(f"EXPLAIN {attack}") == "denied"
    assert refused(f"SELECT * FROM (SELECT * FROM ({attack})) UNION ALL SELECT 1") == "denied"
    assert refused(f"DESCRIBE {called}('/etc/passwd')") == "denied"


@given(QUOTES, st.lists(BLANKS, min_size=4, max_size=4))
def test_private_system_tables_are_refused_in_every_spelling(quotes: str, blanks: list[str]) -> None:
    name = quotes.format("system") + blanks[0] + "." + blanks[1] + quotes.format("processes")
    assert refused(f"SELECT query FROM {name}") == "denied"
    assert refused(f"SELECT 1 WHERE 'x' IN {name}") == "denied"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("INSERT INTO touchpoint_log (payload) VALUES ('x')", "readonly"),
        ("/* SELECT */ DROP TABLE touchpoint_log", "readonly"),
        ("((KILL QUERY WHERE 1))", "readonly"),
        ("SET max_execution_time = 0", "readonly"),
        ("SYSTEM SHUTDOWN", "readonly"),
        ("ATTACH TABLE x", "readonly"),
        ("CREATE TEMPORARY TABLE x (a Int32)", "readonly"),
        ("EXPLAIN KILL QUERY WHERE 1", "readonly"),
        ("EXPLAIN indexes = 1 INSERT INTO x VALUES (1)", "readonly"),
        ("SHOW PROCESSLIST", "readonly"),
        ("USE system", "readonly"),
        ("1 + 1", "readonly"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "readonly"),
        ("SELECT 1 InTo /**/ OutFile '/tmp/x'", "readonly"),
        ("SELECT 1; SELECT 2", "several"),
        ("SELECT 1 /* ; */; DROP TABLE x", "several"),
        ("", "empty"),
        ("-- SELECT 1", "empty"),
        ("SELECT file('/etc/passwd')", "denied"),
        ("SELECT arrayMap(file, ['/etc/passwd'])", "denied"),
        ("SELECT * APPLY file FROM (SELECT '/etc/passwd')", "denied"),
        ("SELECT * APPLY(`file`) FROM (SELECT '/etc/passwd')", "denied"),
        ("SELECT aiGenerate('x')", "denied"),
        ("SELECT \"fi\\x6ce\"('/etc/passwd')", "syntax"),
        ("SELECT $x$'$x$, file('/etc/passwd') -- '", "syntax"),
        ("SELECT 1 # '\n, file('/etc/passwd') -- '", "syntax"),
        ("SELECT \u2018a\u2019", "syntax"),
        ("SELECT /* /* */ 1 */", "syntax"),
        ("SELECT 'never closed", "syntax"),
        ("SELECT 1\\G", "syntax"),
        ("SELECT \x00", "syntax"),
        ("SELECT 1 FORMAT Template", "format"),
        ("SELECT 1 FORMAT Protobuf SETTINGS format_schema = 'x:Y'", "format"),
        ("SELECT 1 SETTINGS format_template_resultset = '/etc/passwd'", "setting"),
        ("SELECT 1 SETTINGS max_threads = 1, additional_result_filter = 'file(''/etc/passwd'') = 1'", "setting"),
        ("SELECT 1 SETTINGS max_threads = 1.0, dialect = 'kusto'", "setting"),
        ("SELECT 1 SETTINGS max_threads = x'31', `dialect` = 'kusto'", "setting"),
        ("SELECT 1 SETTINGS max_threads = {a:UInt8}, dialect = 'kusto'", "setting"),
        ("SELECT 1 SETTINGS join_use_nulls, allow_experimental_eval_table_function", "setting"),
        ("SELECT 1 SETTINGS allow_experimental_eval_table_function", "setting"),
        ("SELECT * FROM (SELECT 1 SETTINGS dialect = 'kusto')", "setting"),
        ("SELECT * FROM {t:Identifier}", "denied"),
    ],
)
def test_attacks_are_refused(sql: str, code: str) -> None:
    assert refused(sql) == code


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT event, count() FROM touchpoints GROUP BY event ORDER BY 2 DESC;",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "WITH now() AS n SELECT n FROM numbers(3) FORMAT JSON",
        "SELECT properties.file, properties.url, t.file FROM touchpoints AS t -- the end",
        "SELECT 'file(''/etc/passwd'') INTO OUTFILE; DROP', \"a;b\", `c--d` FROM touchpoints",
        "SELECT format('{} {}', 'a', 'b'), {a:String}, [1, 2][1], x -> x + 1, {'a': 1}",
        "SELECT s.settings, 1 AS settings FROM (SELECT 1 AS settings) AS s SETTINGS max_threads = 1.0, join_use_nulls",
        "(SELECT 1 SETTINGS max_threads = 1) UNION ALL SELECT 1, 2 SETTINGS max_threads == 1 FORMAT CSV",
        "SELECT name, value, readonly FROM system.settings LIMIT 10000",
        "SHOW TABLES FROM rapport LIKE '%'",
        "SHOW CREATE TABLE touchpoints",
        "DESCRIBE touchpoints",
        "EXPLAIN PLAN indexes = 1, actions = 1 SELECT 1",
        "EXISTS TABLE touchpoints",
        "SELECT 'ünïcödé' AS `ä` /* ☺ */",
    ],
)
def test_questions_are_let_through(sql: str) -> None:
    assert check(sql, TABLE_FUNCTIONS).sql == sql


def test_the_format_that_a_statement_names_is_found() -> None:
    assert check("SELECT 1 FORMAT JSONEachRow;", TABLE_FUNCTIONS).format == "jsoneachrow"
    assert check("SELECT 'FORMAT CSV' -- FORMAT XML", TABLE_FUNCTIONS).format == ""


@given(st.text(max_size=60))
def test_whatever_comes_is_let_through_or_refused_with_a_reason(text: str) -> None:
    try:
        check(text, TABLE_FUNCTIONS)
    except Rejected as error:
        assert error.reason


@given(st.lists(st.sampled_from(["SELECT ';'", "CREATE TABLE `a;b` (c Int32) -- ;", "/* ; */ SELECT 1"]), max_size=5))
def test_a_script_falls_into_its_statements(parts: list[str]) -> None:
    assert statements("\n;\n".join(parts)) == [part.strip() for part in parts]


@given(st.text(alphabet=st.characters(exclude_characters="\\'")))
def test_a_string_is_one_token_whatever_is_in_it(text: str) -> None:
    assert [(token.kind, token.text) for token in tokens(f"'{text}'")] == [("string", text)]
